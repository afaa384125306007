// What the parts of the kernels' test program share; defined in kernels.cpp.
#pragma once

#include <cstdint>
#include <string>

// Prints a case's line and notes whether it failed.
void report(const std::string & name, double error, double allowed);

uint32_t random_bits();
float random_float(); // [-1, 1]

// Half precision by plain arithmetic.
double widened(uint16_t h);
uint16_t narrowed(float x);

void quantized_products();
void sampling();
