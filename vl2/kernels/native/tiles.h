// Products of tiles with blocks. A product adds its columns in one order whatever the number of rows: a row's result never
// depends on its neighbours.
#pragma once

#include "packed.h"

namespace vl2 {

// Few rows wait for memory. It serves a Xeon fastest in one stream that is called ahead, and a Zen in several that it
// foresees itself; where a Zen has AVX-512, four bits and eight need the calls all the same. Measured on a Xeon, on a
// Zen 5 and, without AVX-512, on a Zen 3.
#if defined(__znver1__) || defined(__znver2__) || defined(__znver3__) || defined(__znver4__) || defined(__znver5__)
constexpr bool IS_ZEN = true;
#else
constexpr bool IS_ZEN = false;
#endif
constexpr bool is_int(int32_t format) { return format >= INT8; }
constexpr bool is_foreseen(int32_t format) { return !HAS_MANY_REGISTERS || (IS_ZEN && !is_int(format)); }
constexpr bool is_one_stream(int32_t format, int64_t rows) { return !is_foreseen(format) && rows <= 2; }

// Tiles that a block meets at once: as many as the registers hold.
constexpr int MOST_TILES = 4;
constexpr int tiles_at_once(int32_t format, int64_t rows) {
    if (is_one_stream(format, rows)) return 1;
    return rows == 1 ? 4 : rows == 2 || HAS_MANY_REGISTERS ? 2 : 1;
}
inline int tiles_at_once(const Packed& x) { return tiles_at_once(x.format, x.rows); }

// Bytes of a weight that are called ahead: the processor itself looks no further than the end of a page.
constexpr int64_t AHEAD = !HAS_MANY_REGISTERS ? 2048 : IS_ZEN ? 4096 : 16384, SCALES_AHEAD = AHEAD / 16, UNIT_AHEAD = 2048;
// Where to, as __builtin_prefetch has it. What few rows read is not met again within a step: on a Zen it would still move
// from the second cache into the third and take a twentieth of the memory's speed, so it is called past both. The last
// block of many rows, where it is as short, calls a few kilobytes so too.
constexpr int SECOND_CACHE = 2, PASSING = IS_ZEN ? 0 : SECOND_CACHE;
constexpr bool calls_ahead(int32_t format, int tiles) { return !is_foreseen(format) || (!HAS_MANY_REGISTERS && tiles == 1); }

// What a thread reads in order, and where it goes on behind the end; null: nobody knows. What is called from beyond the
// end would be read for nothing.
struct Stretch {
    static constexpr int64_t LINE_BYTES = 64;
    const uint8_t* end = (const uint8_t*)UINTPTR_MAX;
    const uint8_t* next = nullptr;

    // What is to be called while `from` is read.
    const uint8_t* ahead(const uint8_t* from) const {
        const uint8_t* at = from + AHEAD;
        return at < end ? at : next != nullptr ? next + (at - end) : end - LINE_BYTES;
    }
};

template <int ROWS, int TILES> void dot_float32(const float* const* w, const float* a, int64_t cols, float* out) {
    F32 acc[TILES][ROWS] = {};
    for (int64_t k = 0; k < cols; k++) {
        F32 columns[TILES];
        for (int t = 0; t < TILES; t++) columns[t] = load<F32>(w[t] + k * LANES);
        // a row meets all tiles at once: the compiler would hold twelve rows and put sums into memory
        for (int m = 0; m < ROWS; m++)
            for (int t = 0; t < TILES; t++) acc[t][m] = add_product(acc[t][m], columns[t], splat(a[k * ROWS + m]));
    }
    for (int t = 0; t < TILES; t++)
        for (int m = 0; m < ROWS; m++) store(out + (t * ROWS + m) * LANES, acc[t][m]);
}

template <int ROWS, int TILES>
void dot_bfloat16(const uint16_t* const* w, const Pair* a, int64_t cols, const Stretch& stretch, float* out) {
    F32 acc[TILES][ROWS] = {};
    for (int64_t k = 0; k < cols / 2; k++) {
        U32 pairs[TILES];
        for (int t = 0; t < TILES; t++) {
            const uint16_t* const from = w[t] + k * 2 * LANES;
            if constexpr (calls_ahead(BFLOAT16, TILES))
                __builtin_prefetch(stretch.ahead((const uint8_t*)from), 0, SECOND_CACHE);
            pairs[t] = load<U32>(from);
        }
        for (int m = 0; m < ROWS; m++)  // as above
            for (int t = 0; t < TILES; t++) acc[t][m] = dot_pair(acc[t][m], pairs[t], a[k * ROWS + m]);
    }
    for (int t = 0; t < TILES; t++)
        for (int m = 0; m < ROWS; m++) store(out + (t * ROWS + m) * LANES, acc[t][m]);
}

template <int ROWS, int TILES, bool FOUR_BITS, bool SPLIT>
void dot_int(const uint8_t* const* w, const uint16_t* const* scales, const IntBlock& x, const Stretch& stretch,
             float* out) {
    constexpr int QUADS = FOUR_BITS ? 2 : 1;  // of columns in one load
    constexpr bool IS_WIDE = SPLIT && HAS_WIDE_QUADS, HAS_BOTTOMS = SPLIT && !IS_WIDE;
    // loads whose sums stay apart where registers allow: one chain of sums would wait for itself
    constexpr int LOADS = !HAS_MANY_REGISTERS || TILES > 1 || ROWS > 4 ? 1 : (ROWS > 2 ? 2 : 4) / QUADS;
    constexpr bool CALLS = calls_ahead(INT8, TILES);
    constexpr int WHERE = is_one_stream(INT8, ROWS) ? PASSING : SECOND_CACHE;
    constexpr int CHAINS = LOADS * (HAS_MANY_REGISTERS ? QUADS : 1);
    const int num_loads = x.group / 4 / QUADS;
    const int32_t *high = x.high, *low = x.low;
    F32 acc[TILES][ROWS] = {};
    int64_t at = 0;
    for (int64_t g = 0; g < x.cols / x.group; g++) {
        I32 tops[TILES][CHAINS][ROWS] = {}, bottoms[TILES][CHAINS][ROWS] = {};
        for (int t = 0; t < TILES; t++)
            for (int m = 0; m < ROWS; m++) (HAS_BOTTOMS ? bottoms : tops)[t][0][m] -= x.offsets[g * ROWS + m];
        [[maybe_unused]] const uint8_t* called[TILES];  // found once for a group: a line is called in one instruction then
        for (int t = 0; t < TILES; t++) called[t] = stretch.ahead(w[t] + at);
        for (int i = 0; i < num_loads; i += LOADS) {
#pragma GCC unroll 4
            for (int l = 0; l < LOADS; l++, at += 4 * LANES, high += QUADS * ROWS, low += SPLIT ? QUADS * ROWS : 0) {
                for (int t = 0; t < TILES; t++) {
                    if constexpr (CALLS) __builtin_prefetch(called[t] + (i + l) * Stretch::LINE_BYTES, 0, WHERE);
                    const I32 bytes = load<I32>(w[t] + at);
#pragma GCC unroll 2
                    for (int q = 0; q < QUADS; q++) {
                        const I32 quad = !FOUR_BITS ? bytes : q == 0 ? low_nibbles(bytes) : high_nibbles(bytes);
                        const auto dot = FOUR_BITS ? dot_nibbles : dot_quad;
                        const int chain = HAS_MANY_REGISTERS ? l * QUADS + q : 0;
                        for (int m = 0; m < ROWS; m++) {
                            I32 &top = tops[t][chain][m], &bottom = bottoms[t][chain][m];
                            const int word = q * ROWS + m;
                            top = IS_WIDE ? dot_wide(top, quad, high[word], low[word]) : dot(top, quad, high[word]);
                            if constexpr (HAS_BOTTOMS) bottom = dot(bottom, quad, low[word]);
                        }
                    }
                }
            }
        }
        for (int t = 0; t < TILES; t++) {
            const uint16_t* const steps = scales[t] + g * LANES;
            if constexpr (CALLS) __builtin_prefetch((const uint8_t*)steps + SCALES_AHEAD, 0, WHERE);
            const F32 scale = widen16(steps);
            for (int m = 0; m < ROWS; m++) {
                const auto all = [&](const I32(*chains)[ROWS]) {
                    I32 even = chains[0][m], odd = CHAINS > 1 ? chains[1 % CHAINS][m] : I32{};
                    for (int c = 2; c + 1 < CHAINS; c += 2) even += chains[c][m], odd += chains[c + 1][m];
                    return even + (FOUR_BITS ? odd >> HIGH_SHIFT : odd);
                };
                const I32 top = all(tops[t]), total = HAS_BOTTOMS ? (top << 7) + all(bottoms[t]) : top;
                acc[t][m] = add_product(acc[t][m], to_float(total), scale * x.steps[g * ROWS + m]);
            }
        }
    }
    for (int t = 0; t < TILES; t++)
        for (int m = 0; m < ROWS; m++) store(out + (t * ROWS + m) * LANES, acc[t][m]);
}

// One tile of each of TILES weights times one block: out [TILES][rows of the block][16].
struct Tile {
    const Weight* weight;
    int64_t expert, number;
};

// Call use(TOGETHER as a constant, the first tile) for as many tiles as that, or for one after the other.
template <int TOGETHER, class Use> void by_count(int num_tiles, const Use& use) {
    if (num_tiles == TOGETHER) return use(std::integral_constant<int, TOGETHER>(), 0);
    for (int t = 0; t < num_tiles; t++) use(std::integral_constant<int, 1>(), t);
}

template <int ROWS>
void dot_rows(const Tile* tiles, int num_tiles, const Packed& x, int64_t block, const Stretch& stretch, float* out) {
    constexpr int TOGETHER = tiles_at_once(BFLOAT16, ROWS);
    constexpr int INTS_TOGETHER = HAS_MANY_REGISTERS ? 1 : tiles_at_once(INT8, ROWS);
    const int64_t first = block * x.block_rows, cols = x.cols;
    const uint8_t* data[MOST_TILES] = {};
    for (int t = 0; t < num_tiles; t++) data[t] = tiles[t].weight->tile(tiles[t].expert, tiles[t].number);
    const auto to = [&](int t) { return out + t * ROWS * LANES; };
    if (x.format == FLOAT32) {
        const float* a = x.floats.data() + first * cols;
        by_count<TOGETHER>(num_tiles, [&](auto count, int t) {
            dot_float32<ROWS, count()>((const float* const*)data + t, a, cols, to(t));
        });
    } else if (x.format == BFLOAT16) {
        const Pair* a = x.pairs.data() + first * cols / 2;
        by_count<TOGETHER>(num_tiles, [&](auto count, int t) {
            dot_bfloat16<ROWS, count()>((const uint16_t* const*)data + t, a, cols, stretch, to(t));
        });
    } else if constexpr (ROWS <= INT_ROWS) {
        const uint16_t* scales[MOST_TILES] = {};
        for (int t = 0; t < num_tiles; t++) scales[t] = tiles[t].weight->tile_scales(tiles[t].expert, tiles[t].number);
        const IntBlock ints = x.ints(block);
        by_count<INTS_TOGETHER>(num_tiles, [&](auto count, int t) {
            const auto dot = x.format == INT4
                                 ? x.is_split ? dot_int<ROWS, count(), true, true> : dot_int<ROWS, count(), true, false>
                                 : x.is_split ? dot_int<ROWS, count(), false, true> : dot_int<ROWS, count(), false, false>;
            dot(data + t, scales + t, ints, stretch, to(t));
        });
    }
}

// The same on the tile unit. Weights are at hand behind the first block.
inline void dot_on_unit(const Tile* tiles, int num_tiles, const Packed& x, int64_t block, float* out) {
    const int64_t first = block * x.block_rows, ahead = block == 0 ? UNIT_AHEAD : 0;
    const int rows = x.rows_of(block);
    if (x.format == BFLOAT16) {
        const uint16_t* w[MOST_TILES] = {};
        for (int t = 0; t < num_tiles; t++) w[t] = (const uint16_t*)tiles[t].weight->tile(tiles[t].expert, tiles[t].number);
        return dot_tiles(w, num_tiles, x.pairs.data() + first * x.cols / 2, rows, x.cols, ahead, out);
    }
    const IntBlock ints = x.ints(block);
    const auto dot = x.format == INT4 ? x.is_split ? dot_int_tiles<true, true> : dot_int_tiles<true, false>
                                      : x.is_split ? dot_int_tiles<false, true> : dot_int_tiles<false, false>;
    for (int t = 0; t < num_tiles; t++)
        dot(tiles[t].weight->tile(tiles[t].expert, tiles[t].number),
            tiles[t].weight->tile_scales(tiles[t].expert, tiles[t].number), ints, ahead, out + t * rows * LANES);
}

inline void dot(const Tile* tiles, int num_tiles, const Packed& x, int64_t block, float* out,
                const Stretch& stretch = {}) {
    if (x.is_tiled) return dot_on_unit(tiles, num_tiles, x, block, out);
    switch (x.rows_of(block)) {
        case 1: return dot_rows<1>(tiles, num_tiles, x, block, stretch, out);
        case 2: return dot_rows<2>(tiles, num_tiles, x, block, stretch, out);
        case 3: return dot_rows<3>(tiles, num_tiles, x, block, stretch, out);
        case 4: return dot_rows<4>(tiles, num_tiles, x, block, stretch, out);
        case 5: return dot_rows<5>(tiles, num_tiles, x, block, stretch, out);
        case 6: return dot_rows<6>(tiles, num_tiles, x, block, stretch, out);
        case 7: return dot_rows<7>(tiles, num_tiles, x, block, stretch, out);
        case 8: return dot_rows<8>(tiles, num_tiles, x, block, stretch, out);
        case 9: return dot_rows<9>(tiles, num_tiles, x, block, stretch, out);
        case 10: return dot_rows<10>(tiles, num_tiles, x, block, stretch, out);
        case 11: return dot_rows<11>(tiles, num_tiles, x, block, stretch, out);
        default: return dot_rows<12>(tiles, num_tiles, x, block, stretch, out);
    }
}

// Pack many rows, in parallel when it pays.
template <class Row> void pack(Packed& to, const Weight& weight, int64_t rows, const Row& row) {
    to.shape(weight, rows);
    parallel_for(to.num_blocks(), 4, [&](int64_t begin, int64_t end, int) {
        for (int64_t block = begin; block < end; block++) to.fill(block, weight.num_inputs, row);
    });
}

// The stretch of an expert's tiles up to `end`, where they are read as one stream.
inline Stretch stretch_of(const Packed& x, const Weight& weight, int64_t expert, int64_t end, const uint8_t* next) {
    return is_one_stream(x.format, x.rows) ? Stretch{weight.tile(expert, end), next} : Stretch{};
}

// Tiles that are read side by side: first, first + step, ..
struct Bundle {
    int64_t first, step;
    int count;

    int64_t operator[](int i) const { return first + i * step; }
};

// Call use(bundle) for bundles of up to `size` tiles that cover begin .. end - 1. Streams that the processor foresees are
// as long as can be, each from tile to tile; of those that are called ahead neighbours are read together.
template <class Use> void each_bundle(int64_t begin, int64_t end, int size, int32_t format, const Use& use) {
    if (is_foreseen(format)) {
        const int64_t step = (end - begin) / size;
        for (int64_t tile = begin; tile < begin + step; tile++) use(Bundle{tile, step, size});
        begin += step * size;
    }
    for (; begin < end; begin += size) use(Bundle{begin, 1, int(std::min(end - begin, int64_t(size)))});
}

// put(row, first output, 16 values): called once for each row and tile of weight * x, in any order.
template <class Put> void multiply(const Weight& weight, const Packed& x, const Put& put) {
    const int together = tiles_at_once(x);
    const int64_t tiles = weight.num_tiles();
    const Ranges ranges(tiles);
    parallel_ranges(tiles, ranges, [&](int64_t begin, int64_t end, int) {
        float out[MOST_TILES * MOST_ROWS * LANES];
        const int64_t near = x.blocks_near(), next = end + ranges.skip(tiles - end);
        const Stretch stretch = stretch_of(x, weight, 0, end, next < tiles ? weight.tile(0, next) : nullptr);
        for (int64_t first = 0; first < x.num_blocks(); first += near)
            each_bundle(begin, end, together, x.format, [&](const Bundle& bundle) {
                Tile some[MOST_TILES];
                for (int t = 0; t < bundle.count; t++) some[t] = {&weight, 0, bundle[t]};
                for (int64_t block = first; block < std::min(first + near, x.num_blocks()); block++) {
                    dot(some, bundle.count, x, block, out, stretch);
                    const int rows = x.rows_of(block);
                    for (int t = 0; t < bundle.count; t++)
                        for (int m = 0; m < rows; m++)
                            put(block * x.block_rows + m, bundle[t] * LANES, load<F32>(out + (t * rows + m) * LANES));
                }
            });
    });
}

}  // namespace vl2
