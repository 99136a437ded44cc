// The embeddings of tokens, out of the table as it is stored.
#pragma once

#include "packed.h"

namespace vl2 {

// Mirrored by vl2/kernels/native/structs.py.
//   FLOAT32, BFLOAT16  [rows][width]
//   INT8, INT4         codes and scales of vl2/kernels/quantized.py: [rows][row_bytes], [rows][groups] bfloat16
struct Table {
    int32_t format, group;
    int32_t is_rounded;  // to bfloat16, as the table's model has them
    int64_t width, row_bytes;
    const uint8_t* data;
    const uint16_t* scales;

    float value(int64_t row, int64_t i) const {
        const uint8_t* from = data + row * row_bytes;
        if (format == FLOAT32) return ((const float*)from)[i];
        if (format == BFLOAT16) return widen(((const uint16_t*)from)[i]);
        const int code = format == INT8 ? ((const int8_t*)from)[i] : (from[i / 2] >> i % 2 * 4 & 15) - 8;
        const int64_t groups = row_bytes * (format == INT8 ? 1 : 2) / group;
        return code * widen(scales[row * groups + i / group]);
    }

    void read(int64_t row, float* to) const {
        for (int64_t i = 0; i < width; i++) to[i] = value(row, i);
        for (int64_t i = 0; is_rounded && i < width; i++) to[i] = widen(narrow(to[i]));
    }
};

}  // namespace vl2
