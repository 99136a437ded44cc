// The blocks of the vision tower, one tile at a time.
#pragma once

#include "attention.h"

namespace vl2 {

// Mirrored by vl2/kernels/native/structs.py.
struct Block {
    const float *attention_norm, *attention_norm_bias, *mlp_norm, *mlp_norm_bias;
    Weight qkv, output, up, down;
};

struct Vision {
    int32_t num_blocks, width, heads, patches;
    float eps;
    const Block* blocks;
};

class VisionRun {
  public:
    // x [tiles][patches][width], changed in place
    void run(const Vision& model, float* x, int64_t num_tiles) {
        model_ = &model;
        normal_.resize(int64_t(model.patches) * model.width);
        for (int64_t tile = 0; tile < num_tiles; tile++, x += int64_t(model.patches) * model.width)
            for (int number = 0; number < model.num_blocks; number++) {
                const Block& block = model.blocks[number];
                normalise(x, block.attention_norm, block.attention_norm_bias);
                attend(block);
                add_product(block.output, attended_, x);
                normalise(x, block.mlp_norm, block.mlp_norm_bias);
                widen_mlp(block.up);
                add_product(block.down, hidden_, x);
            }
    }

  private:
    using Floats = std::vector<float>;

    void pack_rows(const Weight& weight, const Floats& from) {
        pack(packed_, weight, model_->patches,
             [&](int64_t row) { return from.data() + row * weight.num_inputs; });
    }

    static F32 bias(const Weight& weight, int64_t first) {
        return weight.bias == nullptr ? F32{} : load_some(weight.bias + first, weight.rows - first);
    }

    void normalise(const float* x, const float* weight, const float* shift) {
        const int64_t dim = model_->width;
        parallel_for(model_->patches, 16, [&](int64_t begin, int64_t end, int) {
            for (int64_t row = begin; row < end; row++) {
                const float* from = x + row * dim;
                F32 total = {}, squares = {};
                for (int64_t i = 0; i < dim; i += LANES) total += load<F32>(from + i);
                const float mean = sum(total) / float(dim);
                for (int64_t i = 0; i < dim; i += LANES) {
                    const F32 centred = load<F32>(from + i) - mean;
                    squares += centred * centred;
                }
                const float inverse = 1.0f / std::sqrt(sum(squares) / float(dim) + model_->eps);
                float* to = normal_.data() + row * dim;
                for (int64_t i = 0; i < dim; i += LANES)
                    store(to + i, (load<F32>(from + i) - mean) * inverse * load<F32>(weight + i) + load<F32>(shift + i));
            }
        });
    }

    void attend(const Block& block) {
        const int64_t width = model_->width, dim = width / model_->heads, patches = model_->patches;
        const float scale = 1.0f / std::sqrt(float(dim));
        pack_rows(block.qkv, normal_);
        projected_.resize(patches * 3 * width);
        multiply(block.qkv, packed_, [&](int64_t row, int64_t first, F32 value) {
            value += bias(block.qkv, first);
            if (first < width) value *= scale;  // widths are multiples of 16: a tile is all queries or none
            store_some(projected_.data() + row * 3 * width + first, value, 3 * width - first);
        });
        attended_.resize(patches * width);
        heads_.resize(Pool::shared().num_threads());
        const Format format = block.qkv.format == FLOAT32 ? FLOAT32 : BFLOAT16;
        parallel_for(model_->heads, 1, [&](int64_t begin, int64_t end, int thread) {
            for (int64_t h = begin; h < end; h++) {
                const float* from = projected_.data() + h * dim;
                heads_[thread].fill(
                    format, patches, dim, dim, [&](int64_t s, int64_t d) { return from[s * 3 * width + width + d]; },
                    [&](int64_t s, int64_t d) { return from[s * 3 * width + 2 * width + d]; });
                heads_[thread].attend(
                    patches, [&](int64_t i) { return from + i * 3 * width; }, [&](int64_t) { return patches; },
                    [&](int64_t i) { return attended_.data() + i * width + h * dim; });
            }
        });
    }

    void widen_mlp(const Weight& up) {
        pack_rows(up, normal_);
        hidden_.resize(int64_t(model_->patches) * up.rows);
        multiply(up, packed_, [&](int64_t row, int64_t first, F32 value) {
            store_some(hidden_.data() + row * up.rows + first, gelu_tanh(value + bias(up, first)), up.rows - first);
        });
    }

    void add_product(const Weight& weight, const Floats& from, float* x) {
        pack_rows(weight, from);
        multiply(weight, packed_, [&](int64_t row, int64_t first, F32 value) {
            float* to = x + row * weight.rows + first;
            const int64_t left = weight.rows - first;
            store_some(to, load_some(to, left) + value + bias(weight, first), left);
        });
    }

    const Vision* model_ = nullptr;
    Packed packed_;
    Floats normal_, projected_, attended_, hidden_;
    std::vector<Head> heads_;
};

}  // namespace vl2
