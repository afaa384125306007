// Attenuation of low frequencies, such as rumble and hum.

#define HIGH 1
#include "butterworth.h"

DESCRIBE({"abi": 1, "name": "highpass", "version": "2",
 "summary": "Attenuate frequencies below a cutoff, by 12 dB per octave.", "parameters": [
  {"name": "frequency", "type": "float", "default": 80, "low": 1, "high": 7999, "unit": "Hz",
   "help": "Cutoff, where the level is 3 dB lower."}
]});
