// Attenuation of high frequencies, such as hiss.

#define HIGH 0
#include "butterworth.h"

DESCRIBE({"abi": 1, "name": "lowpass", "version": "2",
 "summary": "Attenuate frequencies above a cutoff, by 12 dB per octave.", "parameters": [
  {"name": "frequency", "type": "float", "default": 7000, "low": 1, "high": 7999, "unit": "Hz",
   "help": "Cutoff, where the level is 3 dB lower."}
]});
