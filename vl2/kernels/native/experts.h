// Gated MLPs on groups of tokens: the routed experts that were chosen, the shared ones, and the dense first layer.
#pragma once

#include <memory>

#include "tiles.h"

namespace vl2 {

struct MlpWeights {
    Weight gate, up, down;
};

// Tokens that one gated MLP computes, and how much each result counts.
struct Group {
    const MlpWeights* mlp = nullptr;
    int64_t expert = 0;
    std::vector<int64_t> tokens;
    std::vector<float> counts;
    Packed packed, hidden;
    const Packed* input = nullptr;   // its own, or that of the first group where that has the same tokens
    std::vector<float> activations;  // [tokens][hidden]
};

class Experts {
  public:
    void clear() { used_ = 0; }

    Group& add(const MlpWeights& mlp, int64_t expert) {
        if (used_ == groups_.size()) groups_.push_back(std::make_unique<Group>());
        Group& group = *groups_[used_++];
        group.mlp = &mlp, group.expert = expert;
        group.tokens.clear(), group.counts.clear();
        return group;
    }

    // total[token] += count * down(silu(gate x) * up x), expert by expert in the order they were added; x, total [T][width].
    void run(const float* x, float* total, int64_t width) {
        share_inputs();
        parallel_for(packing_.size(), 1, [&](int64_t begin, int64_t end, int) {
            for (int64_t i = begin; i < end; i++) pack_input(*packing_[i], x, width);
        });
        open();
        parallel_for(pieces_.size(), 1, [&](int64_t begin, int64_t end, int) {
            for (int64_t piece = begin; piece < end; piece++) activate(piece);
        });
        parallel_for(used_, 1, [&](int64_t begin, int64_t end, int) {
            // the shared ones, which are the largest, first
            for (int64_t i = begin; i < end; i++) pack_hidden(*groups_[used_ - 1 - i]);
        });
        close(total, width);
    }

  private:
    struct Piece {
        Group* group;
        int64_t begin, end;  // tiles
    };

    // All experts of a lone token read one packed input: cores that share no cache would hand each other every copy.
    void share_inputs() {
        packing_.clear();
        for (size_t g = 0; g < used_; g++) {
            Group &group = *groups_[g], &first = *groups_[0];
            const bool is_alike = g > 0 && group.tokens == first.tokens && Packed::is_alike(group.mlp->gate, first.mlp->gate);
            group.input = is_alike ? &first.packed : &group.packed;
            if (!is_alike) packing_.push_back(&group);
        }
    }

    static void pack_input(Group& group, const float* x, int64_t width) {
        group.packed.shape(group.mlp->gate, group.tokens.size());
        for (int64_t block = 0; block < group.packed.num_blocks(); block++)
            group.packed.fill(block, width, [&](int64_t row) { return x + group.tokens[row] * width; });
    }

    static void pack_hidden(Group& group) {
        const int64_t hidden = group.mlp->gate.rows;
        group.hidden.shape(group.mlp->down, group.tokens.size());
        for (int64_t block = 0; block < group.hidden.num_blocks(); block++)
            group.hidden.fill(block, hidden, [&](int64_t row) { return group.activations.data() + row * hidden; });
    }

    // Cut the work into pieces of some tiles of one expert.
    void open() {
        pieces_.clear();
        int64_t left = 0;
        for (size_t g = 0; g < used_; g++) left += groups_[g]->mlp->gate.num_tiles();
        const Ranges ranges(left);
        for (size_t g = 0; g < used_; g++) {
            Group& group = *groups_[g];
            group.activations.resize(group.tokens.size() * group.mlp->gate.rows);
            const int64_t count = group.mlp->gate.num_tiles();
            for (int64_t begin = 0, end; begin < count; left -= end - begin, begin = end) {
                end = std::min(begin + ranges.size(left), count);
                pieces_.push_back({&group, begin, end});
            }
        }
    }

    void activate(int64_t number) const {
        const Piece& piece = pieces_[number];
        Group& group = *piece.group;
        const Packed& x = *group.input;
        if (!is_one_stream(x.format, x.rows)) return activate_side_by_side(piece);
        const int rows = int(x.rows);
        const Weight &gate = group.mlp->gate, &up = group.mlp->up;
        const int64_t following = number + Pool::shared().num_threads();  // that this thread probably takes next
        const Stretch first = stretch_of(x, gate, group.expert, piece.end, up.tile(group.expert, piece.begin));
        const Stretch second = stretch_of(x, up, group.expert, piece.end, gate_of(following));
        float gates[Ranges::MOST][2 * LANES], ups[2 * LANES];
        for (int64_t tile = piece.begin; tile < piece.end; tile++) {
            const Tile one{&group.mlp->gate, group.expert, tile};
            dot(&one, 1, x, 0, gates[tile - piece.begin], first);
        }
        for (int64_t tile = piece.begin; tile < piece.end; tile++) {
            const Tile one{&group.mlp->up, group.expert, tile};
            dot(&one, 1, x, 0, ups, second);
            keep(group, tile, 0, rows, gates[tile - piece.begin], ups);
        }
    }

    // Where a piece begins to read; null behind the last one.
    const uint8_t* gate_of(int64_t number) const {
        if (number >= int64_t(pieces_.size())) return nullptr;
        const Piece& piece = pieces_[number];
        return piece.group->mlp->gate.tile(piece.group->expert, piece.begin);
    }

    static void activate_side_by_side(const Piece& piece) {
        Group& group = *piece.group;
        const Packed& x = *group.input;
        float out[MOST_TILES * MOST_ROWS * LANES];
        each_bundle(piece.begin, piece.end, std::max(tiles_at_once(x) / 2, 1), x.format, [&](const Bundle& bundle) {
            Tile both[MOST_TILES];
            for (int t = 0; t < bundle.count; t++) {
                both[t] = {&group.mlp->gate, group.expert, bundle[t]};
                both[bundle.count + t] = {&group.mlp->up, group.expert, bundle[t]};
            }
            for (int64_t block = 0; block < x.num_blocks(); block++) {
                const int rows = x.rows_of(block);
                dot(both, 2 * bundle.count, x, block, out);
                for (int t = 0; t < bundle.count; t++) {
                    const float* gates = out + t * rows * LANES;
                    keep(group, bundle[t], block * x.block_rows, rows, gates, gates + bundle.count * rows * LANES);
                }
            }
        });
    }

    static void keep(Group& group, int64_t tile, int64_t first, int rows, const float* gates, const float* ups) {
        const int64_t hidden = group.mlp->gate.rows;
        for (int m = 0; m < rows; m++) {
            float* to = group.activations.data() + (first + m) * hidden + tile * LANES;
            const F32 value = silu(load<F32>(gates + m * LANES)) * load<F32>(ups + m * LANES);
            store_some(to, value, hidden - tile * LANES);
        }
    }

    // A thread owns a range of outputs of all tokens, so that the experts add up in one order and never at once.
    void close(float* total, int64_t width) {
        const int64_t tiles = (width + LANES - 1) / LANES;
        const Ranges ranges(tiles);
        parallel_ranges(tiles, ranges, [&](int64_t begin, int64_t end, int) {
            const int64_t following = end + ranges.skip(tiles - end);
            const auto down_of = [&](size_t g, int64_t tile) { return groups_[g]->mlp->down.tile(groups_[g]->expert, tile); };
            for (size_t g = 0; g < used_; g++) {
                const uint8_t* next = g + 1 < used_ ? down_of(g + 1, begin) : following < tiles ? down_of(0, following) : nullptr;
                add_outputs(*groups_[g], begin, end, next, total, width);
            }
        });
    }

    static void add_outputs(const Group& group, int64_t begin, int64_t end, const uint8_t* next, float* total, int64_t width) {
        const Packed& x = group.hidden;
        const Weight& down = group.mlp->down;
        const Stretch stretch = stretch_of(x, down, group.expert, end, next);
        float out[MOST_TILES * MOST_ROWS * LANES];
        each_bundle(begin, end, tiles_at_once(x), x.format, [&](const Bundle& bundle) {
            Tile some[MOST_TILES];
            for (int t = 0; t < bundle.count; t++) some[t] = {&down, group.expert, bundle[t]};
            for (int64_t block = 0; block < x.num_blocks(); block++) {
                dot(some, bundle.count, x, block, out, stretch);
                const int rows = x.rows_of(block);
                for (int t = 0; t < bundle.count; t++)
                    for (int m = 0; m < rows; m++) {
                        const int64_t row = block * x.block_rows + m, left = width - bundle[t] * LANES;
                        float* to = total + group.tokens[row] * width + bundle[t] * LANES;
                        const F32 value = load<F32>(out + (t * rows + m) * LANES);
                        store_some(to, load_some(to, left) + group.counts[row] * value, left);
                    }
            }
        });
    }

    std::vector<std::unique_ptr<Group>> groups_;
    size_t used_ = 0;
    std::vector<Group*> packing_;
    std::vector<Piece> pieces_;
};

}  // namespace vl2
