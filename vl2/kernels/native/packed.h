// The one layout of weights, and activations as products with it read them.
//
// A weight [rows, cols] is cut into tiles of 16 rows, and a tile is stored in the order in which it is read, as one
// stream. Activations come in blocks of a few rows, column by column, so that each weight that is loaded meets every row
// of a block.
#pragma once

#include <algorithm>
#include <vector>

#include "amx.h"
#include "pool.h"
#include "simd.h"

namespace vl2 {

enum Format : int32_t { FLOAT32 = 0, BFLOAT16 = 1, INT8 = 2, INT4 = 3 };

// Mirrored by vl2/kernels/native/structs.py.
//   FLOAT32   [tiles][cols][16] float
//   BFLOAT16  [tiles][cols/2][16][2]
//   INT8      [tiles][cols/4][16][4] bytes, value + 128;    scales [tiles][cols/group][16] bfloat16
//   INT4      [tiles][cols/8][16][4] bytes, value + 8, the low nibble of byte i is column i, the high one i + 4
struct Weight {
    int32_t format, group;
    int32_t input_bits;  // INT: of the activations, 15 or 8
    int64_t rows, cols;  // cols as stored: a multiple of 32 of bfloat16, or of the group
    int64_t num_inputs;  // columns before they were filled up with zeros
    const uint8_t* data;
    const uint16_t* scales;
    const float* bias;  // [rows] or null
    int64_t stride, scale_stride;  // bytes from one expert to the next

    int64_t num_tiles() const { return (rows + LANES - 1) / LANES; }
    int64_t tile_bytes() const {
        return format == FLOAT32 ? cols * 64 : format == BFLOAT16 ? cols * 32 : format == INT8 ? cols * 16 : cols * 8;
    }
    const uint8_t* tile(int64_t expert, int64_t number) const { return data + expert * stride + number * tile_bytes(); }
    const uint16_t* tile_scales(int64_t expert, int64_t number) const {
        return scales + expert * scale_stride / 2 + number * (cols / group) * LANES;
    }
};

// Rows of a block: as many as the registers hold.
constexpr int FLOAT_ROWS = HAS_MANY_REGISTERS ? 12 : 6, INT_ROWS = HAS_MANY_REGISTERS ? 8 : 4;
constexpr int MOST_ROWS = TILE_BLOCK_ROWS;
// Rows of integers that the tile unit is not worth setting up for, measured on a Xeon.
inline int few_rows(int input_bits) { return input_bits > 8 ? 4 : 8; }

// Rows of activations as a weight's format reads them.
struct Packed {
    int32_t format = FLOAT32, group = 0, input_bits = 0;
    int64_t rows = 0, cols = 0;
    std::vector<float> floats;     // FLOAT32: [block][cols][rows of the block]; INT: scales [block][groups][rows]
    std::vector<Pair> pairs;       // BFLOAT16: [block][words][rows]
    // INT: [block][words][rows], four bytes each; split, 15 bits are 128 * high + low, or wide: even numbers high, odd
    // ones low
    std::vector<int32_t> high, low;
    std::vector<int32_t> offsets;  // INT: [block][groups][rows], what the sums are too large by: weights are not signed
    bool is_split = false;         // INT: there are low words
    bool is_tiled = false;         // words stand as the tile unit reads them: [block][words/16][rows][16]
    int block_rows = FLOAT_ROWS;

    int64_t num_blocks() const { return (rows + block_rows - 1) / block_rows; }
    // Blocks that stay in a core's own cache while weights pass by.
    int64_t blocks_near() const {
        constexpr int64_t NEAR_BYTES = 1 << 20;
        const int64_t bits = format == FLOAT32 ? 32 : format == BFLOAT16 ? 16 : is_split ? 16 : 8;
        return std::max(NEAR_BYTES * 8 / (block_rows * cols * bits), int64_t(1));
    }
    int rows_of(int64_t block) const {
        const int64_t left = rows - block * block_rows;
        return int(left < block_rows ? left : block_rows);
    }

    IntBlock ints(int64_t block) const {
        const int64_t words = block * block_rows * cols / 4, groups = block * block_rows * (cols / group);
        return {high.data() + words, low.data() + words, floats.data() + groups, offsets.data() + groups,
                rows_of(block), group, cols};
    }

    // Whether two weights read the same rows packed alike.
    static bool is_alike(const Weight& a, const Weight& b) {
        return a.format == b.format && a.group == b.group && a.input_bits == b.input_bits && a.cols == b.cols;
    }

    void shape(const Weight& weight, int64_t num_rows) {
        format = weight.format, group = weight.group, input_bits = weight.input_bits;
        is_split = input_bits > 8 || (HAS_WIDE_QUADS && format == INT8);
        rows = num_rows, cols = weight.cols;
        is_tiled = has_tile_unit() && (format == BFLOAT16 ? cols % (2 * UNIT_WORDS) == 0
                                                          : format >= INT8 && group % (4 * UNIT_WORDS) == 0 && rows > few_rows(input_bits));
        block_rows = is_tiled ? TILE_BLOCK_ROWS : format >= INT8 ? INT_ROWS : FLOAT_ROWS;
        if (format == FLOAT32) floats.resize(rows * cols);
        if (format == BFLOAT16) pairs.resize(rows * cols / 2);
        if (format >= INT8) {
            high.resize(rows * cols / 4), low.resize(is_split ? rows * cols / 4 : 0);
            floats.resize(rows * cols / group), offsets.resize(rows * cols / group);
        }
    }

    // Fill one block; row(i) is a pointer to `num_inputs` floats of row i.
    template <class Row> void fill(int64_t block, int64_t num_inputs, const Row& row) {
        const int step = block_rows, count = rows_of(block);
        for (int m = 0; m < count; m++) {
            const float* from = row(block * step + m);
            if (format == FLOAT32) {
                float* to = floats.data() + block * step * cols + m;
                for (int64_t k = 0; k < cols; k++) to[k * count] = k < num_inputs ? from[k] : 0.0f;
            } else if (format == BFLOAT16) {
                fill_pairs(pairs.data() + block * step * cols / 2, m, count, from, num_inputs);
            } else {
                fill_ints(block * step, m, count, from, num_inputs);
            }
        }
    }

  private:
    // Put some words of row m, all within sixteen, where its block has them.
    template <class Word> void place(Word* block, int64_t word, int m, int count, const Word* from, int num_words) const {
        if (is_tiled) {
            Word* to = block + (word / UNIT_WORDS * count + m) * UNIT_WORDS + word % UNIT_WORDS;
            return (void)std::memcpy(to, from, num_words * sizeof(Word));
        }
        for (int i = 0; i < num_words; i++) block[(word + i) * count + m] = from[i];
    }

    void fill_pairs(Pair* block, int m, int count, const float* from, int64_t num_inputs) {
        int64_t k = 0;
        for (; k + LANES <= num_inputs; k += LANES) {
            Pair found[LANES / 2];
            to_pairs(load<F32>(from + k), found);
            place(block, k / 2, m, count, found, LANES / 2);
        }
        for (; k < cols; k += LANES) {
            Pair found[LANES / 2];
            to_pairs(load_some(from + k, std::max(num_inputs - k, int64_t(0))), found);
            place(block, k / 2, m, count, found, int(std::min(cols - k, int64_t(LANES)) / 2));
        }
    }

    // Sixteen numbers of 15 bits as a product takes them.
    static void part(I32 whole, int32_t* uppers, int32_t* lowers) {
        if constexpr (HAS_WIDE_QUADS) {
            int32_t numbers[LANES];
            store(numbers, whole);
            for (int i = 0; i < LANES / 4; i++) {
                const int32_t* four = numbers + 4 * i;
                uppers[i] = (four[0] & 0xffff) | int32_t(uint32_t(four[2]) << 16);
                lowers[i] = (four[1] & 0xffff) | int32_t(uint32_t(four[3]) << 16);
            }
        } else {
            const I32 upper = (whole + 64) >> 7;
            store(uppers, to_bytes(upper));
            store(lowers, to_bytes(whole - upper * 128));
        }
    }

    // 15 bits a value, scaled by group, in two signed bytes: next to no error, and both bytes fit the integer product.
    // 8 bits in one byte take half the work, where a product of bytes is exact; elsewhere they are wide too.
    void fill_ints(int64_t first_row, int m, int count, const float* from, int64_t num_inputs) {
        const float limit = input_bits > 8 ? 127 * 128 : 127;
        const F32 magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
        const int64_t groups = cols / group;
        const int parts = group / LANES;
        int32_t* highs = high.data() + first_row * cols / 4;
        int32_t* lows = is_split ? low.data() + first_row * cols / 4 : nullptr;
        for (int64_t g = 0; g < groups; g++) {
            F32 values[128 / LANES], most = {};
            for (int i = 0; i < parts; i++) {
                const int64_t at = g * group + i * LANES;
                values[i] = load_some(from + at, num_inputs - at);
                const F32 size = absolute(values[i]);
                most = select(size > most, size, most);
            }
            const float top = largest(most), inverse = top > 0 ? limit / top : 0;
            I32 total = {};
            for (int i = 0; i < parts; i++) {
                const I32 whole = to_int((values[i] * inverse + magic) - magic);
                total += whole;
                int32_t uppers[4], lowers[4];
                is_split ? part(whole, uppers, lowers) : store(uppers, to_bytes(whole));
                const int64_t word = (g * group + i * LANES) / 4;
                place(highs, word, m, count, uppers, LANES / 4);
                if (is_split) place(lows, word, m, count, lowers, LANES / 4);
            }
            int32_t all = 0;
            for (int lane = 0; lane < LANES; lane++) all += total[lane];
            floats[first_row * groups + g * count + m] = top / limit;
            offsets[first_row * groups + g * count + m] = all * (format == INT4 ? 8 : 128);
        }
    }
};

}  // namespace vl2
