"""CPU kernels in C++: weights in tiles, a whole step of the language model or of the vision tower in one call."""
