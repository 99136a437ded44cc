// Products of bfloat16 matrices on the tile unit, for weights that change with every step.
//
// The unit wants one operand in rows along the summed dimension k, and the other, the panel, in words of two neighbours
// in k. Rows lie in blocks of 32 by 32; a panel of 32 columns is brought into order once and meets all rows.
#pragma once

#include "amx.h"

namespace vl2 {

constexpr int PANEL = 32;  // columns of a panel, rows of a block, and values of k in a step

inline int64_t whole_steps(int64_t k) { return (k + PANEL - 1) / PANEL; }

// Columns first .. first + 31 of a matrix [.., stride], row by row.
struct Columns {
    const uint16_t* data;
    int64_t stride, first;

    const uint16_t* at(int64_t row) const { return data + row * stride + first; }
};

// A matrix of 32 * steps columns, block by block.
struct Blocks {
    uint16_t* data;
    int64_t steps;

    uint16_t* at(int64_t row, int64_t column) const {
        const int64_t block = row / PANEL * steps + column / PANEL;
        return data + block * PANEL * PANEL + row % PANEL * PANEL + column % PANEL;
    }
};

#if VL2_TILE_UNIT

// Sixteen words of each of sixteen rows change places.
inline void transpose_words(U32* r) {
    const auto lanes = [](U32 a, U32 b, auto which) {
        return (U32)_mm512_shuffle_i32x4((__m512i)a, (__m512i)b, decltype(which)::value);
    };
    using LowHalves = std::integral_constant<int, 0x44>;
    using HighHalves = std::integral_constant<int, 0xee>;
    using EvenLanes = std::integral_constant<int, 0x88>;
    using OddLanes = std::integral_constant<int, 0xdd>;
    U32 t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = (U32)_mm512_unpacklo_epi32((__m512i)r[i], (__m512i)r[i + 1]);
        t[i + 1] = (U32)_mm512_unpackhi_epi32((__m512i)r[i], (__m512i)r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {  // lane l of r[i + j] is column 4l + j of rows i .. i + 3
        r[i] = (U32)_mm512_unpacklo_epi64((__m512i)t[i], (__m512i)t[i + 2]);
        r[i + 1] = (U32)_mm512_unpackhi_epi64((__m512i)t[i], (__m512i)t[i + 2]);
        r[i + 2] = (U32)_mm512_unpacklo_epi64((__m512i)t[i + 1], (__m512i)t[i + 3]);
        r[i + 3] = (U32)_mm512_unpackhi_epi64((__m512i)t[i + 1], (__m512i)t[i + 3]);
    }
    for (int j = 0; j < 4; j++) {
        const U32 a = lanes(r[j], r[4 + j], LowHalves{}), b = lanes(r[j], r[4 + j], HighHalves{});
        const U32 c = lanes(r[8 + j], r[12 + j], LowHalves{}), d = lanes(r[8 + j], r[12 + j], HighHalves{});
        t[j] = lanes(a, c, EvenLanes{}), t[4 + j] = lanes(a, c, OddLanes{});
        t[8 + j] = lanes(b, d, EvenLanes{}), t[12 + j] = lanes(b, d, OddLanes{});
    }
    for (int i = 0; i < 16; i++) r[i] = t[i];
}

inline U32 pair_words(const uint16_t* even, const uint16_t* odd) {
    const U32 low = __builtin_convertvector(load<U16>(even), U32);
    return low | __builtin_convertvector(load<U16>(odd), U32) << 16;
}

// panel [steps][2][16 pairs of k][16 columns] = 32 columns, row(i) being their i-th row; behind k rows come zeros.
template <class Row> void pack_columns(int64_t k, uint16_t* panel, const Row& row) {
    alignas(64) static const uint16_t nothing[PANEL] = {};
    for (int64_t step = 0; step < whole_steps(k); step++, panel += PANEL * PANEL) {
        for (int pair = 0; pair < UNIT_ROWS; pair++) {
            const int64_t at = step * PANEL + 2 * pair;
            const uint16_t* even = at < k ? row(at) : nothing;
            const uint16_t* odd = at + 1 < k ? row(at + 1) : nothing;
            store(panel + pair * PANEL, pair_words(even, odd));
            store(panel + (UNIT_ROWS + pair) * PANEL, pair_words(even + LANES, odd + LANES));
        }
    }
}

// The same of 32 rows [32][stride], that are columns of the transposed matrix; k is a multiple of 32.
inline void pack_rows(const uint16_t* rows, int64_t stride, int64_t k, uint16_t* panel) {
    for (int64_t step = 0; step < k / PANEL; step++) {
        for (int half = 0; half < 2; half++, panel += PANEL * UNIT_ROWS) {
            U32 words[16];
            for (int i = 0; i < 16; i++) words[i] = load<U32>(rows + (half * LANES + i) * stride + step * PANEL);
            transpose_words(words);
            for (int i = 0; i < 16; i++) store(panel + i * PANEL, words[i]);
        }
    }
}

// to [cols][rows] = from [rows][cols]; behind the rows come zeros up to a multiple of 32.
inline void transpose(const Blocks& from, int64_t rows, const Blocks& to) {
    alignas(64) static const uint16_t nothing[LANES] = {};
    for (int64_t column = 0; column < from.steps * PANEL; column += LANES) {
        for (int64_t at = 0; at < rows; at += PANEL) {
            U32 words[16];
            for (int pair = 0; pair < 16; pair++) {
                const int64_t row = at + 2 * pair;
                const uint16_t* even = row < rows ? from.at(row, column) : nothing;
                words[pair] = pair_words(even, row + 1 < rows ? from.at(row + 1, column) : nothing);
            }
            transpose_words(words);
            for (int i = 0; i < 16; i++) store(to.at(column + i, at), words[i]);
        }
    }
}

// One product of a sum: rows times a panel, over as many steps of 32.
struct Factor {
    Blocks rows;
    const uint16_t* panel;
    int64_t steps;
};

// out [rows][32] = the sum of the factors' products from their row `first` on. The operands have the shape of `rows`,
// at most 32.
inline void multiply_block(const Factor* factors, int count, int64_t first, int rows, float* out) {
    const bool is_tall = rows > UNIT_ROWS;
    clear_sums();
    for (int f = 0; f < count; f++) {
        const Factor& factor = factors[f];
        const uint16_t *a = factor.rows.at(first, 0), *b = factor.panel;
        for (int64_t step = 0; step < factor.steps; step++, a += PANEL * PANEL, b += PANEL * PANEL) {
            _tile_loadd(4, a, 64);
            _tile_loadd(6, b, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_loadd(7, b + PANEL * UNIT_ROWS, 64);
            _tile_dpbf16ps(2, 4, 7);
            if (!is_tall) continue;
            _tile_loadd(5, a + UNIT_ROWS * PANEL, 64);
            _tile_dpbf16ps(1, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    constexpr int64_t LINE = PANEL * sizeof(float);
    _tile_stored(0, out, LINE);
    _tile_stored(2, out + LANES, LINE);
    if (is_tall) {
        _tile_stored(1, out + UNIT_ROWS * PANEL, LINE);
        _tile_stored(3, out + UNIT_ROWS * PANEL + LANES, LINE);
    }
    finish_stores(out);
}

// Call use(first, count, block [count][32]) for all rows, 32 at a time. To shape operands takes as long as ten products.
template <class Use> void multiply_rows(const Factor* factors, int count, int64_t rows, const Use& use) {
    alignas(64) float block[PANEL * PANEL];
    shape_operands(PANEL);
    for (int64_t first = 0; first < rows; first += PANEL) {
        const int num = int(rows - first < PANEL ? rows - first : PANEL);
        if (num < PANEL) shape_operands(num);
        multiply_block(factors, count, first, num, block);
        use(first, num, block);
    }
    _tile_release();
}

// A line of memory that is not read soon is written past the caches.
inline void narrow_line(const float* from, uint16_t* to) {
    const __m512i low = _mm512_castsi256_si512((__m256i)narrow16(load<F32>(from)));
    _mm512_stream_si512((__m512i*)to, _mm512_inserti64x4(low, (__m256i)narrow16(load<F32>(from + LANES)), 1));
}

// 32 columns of rows [rows][stride] = the sum of the factors' products; `to` is at a multiple of 64 bytes.
inline void multiply_into(const Factor* factors, int count, int64_t rows, uint16_t* to, int64_t stride) {
    multiply_rows(factors, count, rows, [&](int64_t row, int num, const float* block) {
        for (int i = 0; i < num; i++) narrow_line(block + i * PANEL, to + (row + i) * stride);
    });
}

#endif

}  // namespace vl2
