// The language model over the rows of one step: norm, attend, add, norm, route, add, layer by layer.
#pragma once

#include "attention.h"
#include "embeddings.h"
#include "experts.h"
#include "lookup.h"
#include "router.h"

namespace vl2 {

// Mirrored by vl2/kernels/native/structs.py.
struct Layer {
    const float *attention_norm, *mlp_norm;
    Weight qkv;  // MHA: queries, keys and values of all heads
    Weight query_down, query_up;  // MLA; without compression query_up alone
    const float* query_norm;      // null without compression
    Weight latent_down, latent_up;
    const float* latent_norm;
    Weight key_up, value_up;  // latent_up by head, keys transposed: [heads] x [rank, nope], [heads] x [value_dim, rank]
    Weight output;
    int32_t is_moe;
    Weight router;
    const float* expert_bias;  // or null
    MlpWeights mlp;            // dense, or the routed experts
    MlpWeights shared;         // rows 0: none
};

struct Language {
    int32_t num_layers, width, heads, head_dim;  // head_dim: of MHA
    int32_t is_latent, rank, nope, rope, value_dim;
    float eps, latent_eps, scale;
    Routing routing;
    const Layer* layers;
    const float* norm;
};

// The rows of one sequence: `count` tokens from `position` on. Slots are found through `table`.
struct Rows {
    int64_t first, count, position;
    const int32_t* table;
};

struct Step {
    float* x;  // [rows][width]: embeddings, then states after the last norm
    const int64_t* ids;  // [rows], of which the embeddings are read first; or null: they are in x
    const Table* embeddings;
    int64_t num_rows, num_sequences;
    const Rows* sequences;
    const float *cos, *sin;  // [positions][rotated dim]
    void* cache;             // [layers][slots][width of a slot]
    int64_t layer_bytes, slot_bytes, block_size, num_slots;
    int32_t cache_format, cache_group;
    const Weight* head;  // or null
    float* logits;       // [rows][head.rows]
};

// Whether the tables name blocks of the cache alone, as far as they are read.
inline bool fits_cache(const Step& step) {
    for (int64_t s = 0; s < step.num_sequences; s++) {
        const Rows& rows = step.sequences[s];
        for (int64_t block = 0; block * step.block_size < rows.position + rows.count; block++)
            if (rows.table[block] < 0 || (rows.table[block] + int64_t(1)) * step.block_size > step.num_slots) return false;
    }
    return true;
}

constexpr int64_t ABSORB_BELOW = 8;  // of so few tokens each looks straight into the cache; see vl2/model/attention.py

inline void rms_norm(const float* x, const float* weight, float eps, int64_t dim, float* out) {
    F32 squares = {};
    for (int64_t i = 0; i < dim; i += LANES) {
        const F32 value = load_some(x + i, dim - i);
        squares += value * value;
    }
    const float inverse = 1.0f / std::sqrt(sum(squares) / float(dim) + eps);
    for (int64_t i = 0; i < dim; i++) out[i] = weight[i] * (x[i] * inverse);
}

class LanguageRun {
    using Floats = std::vector<float>;

    static auto by_row(const Floats& values, int64_t dim) {
        return [&values, dim](int64_t row) { return values.data() + row * dim; };
    }

  public:
    void run(const Language& model, const Step& step) {
        model_ = &model, step_ = &step;
        for (int64_t row = 0; step.ids != nullptr && row < step.num_rows; row++)
            step.embeddings->read(step.ids[row], step.x + row * model.width);
        normal_.resize(step.num_rows * model.width);
        for (int number = 0; number < model.num_layers; number++) {
            const Layer& layer = model.layers[number];
            cache_ = {(uint8_t*)step.cache + number * step.layer_bytes, step.cache_format, step.cache_group, slot_width(),
                      step.slot_bytes, step.block_size};
            normalise(layer.attention_norm);
            model.is_latent ? attend_latent(layer) : attend(layer);
            pack(packed_, layer.output, step.num_rows, by_row(attended_, layer.output.num_inputs));
            add_product(layer.output);
            normalise(layer.mlp_norm);
            layer.is_moe ? route(layer) : all_tokens(layer.mlp, true);
            experts_.run(normal_.data(), step.x, model.width);
        }
        normalise(model.norm);
        std::memcpy(step.x, normal_.data(), normal_.size() * sizeof(float));
    }

  private:
    int64_t slot_width() const {
        return model_->is_latent ? model_->rank + model_->rope : 2 * int64_t(model_->heads) * model_->head_dim;
    }

    void each_row(const std::function<void(int64_t)>& visit) {
        parallel_for(step_->num_rows, 8, [&](int64_t begin, int64_t end, int) {
            for (int64_t row = begin; row < end; row++) visit(row);
        });
    }

    void normalise(const float* weight) {
        const int64_t width = model_->width;
        each_row([&](int64_t row) {
            rms_norm(step_->x + row * width, weight, model_->eps, width, normal_.data() + row * width);
        });
    }

    // out [rows][weight.rows] = weight * packed_
    void product(const Weight& weight, Floats& out) {
        out.resize(step_->num_rows * weight.rows);
        multiply(weight, packed_, [&](int64_t row, int64_t first, F32 value) {
            store_some(out.data() + row * weight.rows + first, value, weight.rows - first);
        });
    }

    void add_product(const Weight& weight) {
        multiply(weight, packed_, [&](int64_t row, int64_t first, F32 value) {
            float* to = step_->x + row * weight.rows + first;
            const int64_t left = weight.rows - first;
            store_some(to, load_some(to, left) + value, left);
        });
    }

    // Rotate `dim` values in place; interleaved pairs are brought apart first.
    void rotate(int64_t position, float* x, int64_t dim, bool interleaved) {
        const float *cos = step_->cos + position * dim, *sin = step_->sin + position * dim;
        const int64_t half = dim / 2;
        if (interleaved) {
            float apart[MOST_DIM];
            for (int64_t i = 0; i < half; i++) apart[i] = x[2 * i], apart[i + half] = x[2 * i + 1];
            std::memcpy(x, apart, dim * sizeof(float));
        }
        for (int64_t i = 0; i < half; i += LANES) {
            const int64_t left = half - i;
            const F32 first = load_some(x + i, left), second = load_some(x + half + i, left);
            const F32 c = load_some(cos + i, left), s = load_some(sin + i, left);
            store_some(x + i, first * c - second * s, left);
            store_some(x + half + i, second * c + first * s, left);
        }
    }

    // visit(sequence, row, position) for every row, in parallel
    template <class Visit> void each_token(const Visit& visit) {
        owners_.resize(step_->num_rows);
        for (int64_t s = 0; s < step_->num_sequences; s++)
            for (int64_t i = 0; i < step_->sequences[s].count; i++) owners_[step_->sequences[s].first + i] = s;
        each_row([&](int64_t row) {
            const Rows& sequence = step_->sequences[owners_[row]];
            visit(sequence, row, sequence.position + row - sequence.first);
        });
    }

    // Rows of sequences with few rows look into the cache one by one, in parts.
    struct Look {
        const Rows* sequence;
        int64_t row, limit, part, place;  // place: of the row's first part in parts_
    };

    // queries [rows][..] at query(row), out [heads][value_dim] at out(row)
    template <class Query, class Out> void look_up(const Span& at, const Query& query, const Out& out) {
        looks_.clear(), ends_.clear();
        int64_t place = 0;
        for (int64_t s = 0; s < step_->num_sequences; s++) {
            const Rows& sequence = step_->sequences[s];
            if (sequence.count >= ABSORB_BELOW) continue;
            for (int64_t i = 0; i < sequence.count; i++) {
                const int64_t limit = sequence.position + i + 1, count = num_parts(limit);
                ends_.push_back({&sequence, sequence.first + i, limit, count, place});
                for (int64_t part = 0; part < count; part++)
                    looks_.push_back({&sequence, sequence.first + i, limit, part, place});
                place += count;
            }
        }
        parts_.resize(place * at.part_size());
        lookups_.resize(Pool::shared().num_threads()), joins_.resize(Pool::shared().num_threads());
        parallel_for(looks_.size(), even_size(looks_.size()), [&](int64_t begin, int64_t end, int thread) {
            Lookup& lookup = lookups_[thread];
            for (int64_t i = begin; i < end; i++) {
                const Look& one = looks_[i];
                if (i == begin || one.row != looks_[i - 1].row) lookup.ask(cache_, at, query(one.row));
                lookup.look(one.sequence->table, one.limit, one.part, parts_.data() + (one.place + one.part) * at.part_size());
            }
        });
        parallel_for(ends_.size(), 1, [&](int64_t begin, int64_t end, int thread) {
            for (int64_t i = begin; i < end; i++)
                joins_[thread].join(parts_.data() + ends_[i].place * at.part_size(), ends_[i].part, at, cache_.format,
                                    out(ends_[i].row));
        });
    }

    // Sequences with many rows attend one after the other, head by head: prepare(sequence), then fill(head, sequence, h)
    // lays out keys and values.
    template <class Prepare, class Fill, class Query, class Out>
    void attend_heads(const Prepare& prepare, const Fill& fill, const Query& query, const Out& out) {
        heads_.resize(Pool::shared().num_threads());
        for (int64_t s = 0; s < step_->num_sequences; s++) {
            const Rows& rows = step_->sequences[s];
            if (rows.count < ABSORB_BELOW) continue;
            prepare(rows);
            parallel_for(model_->heads, 1, [&](int64_t begin, int64_t end, int thread) {
                for (int64_t h = begin; h < end; h++) {
                    fill(heads_[thread], rows, h);
                    heads_[thread].attend(
                        rows.count, [&](int64_t i) { return query(rows.first + i, h); },
                        [&](int64_t i) { return rows.position + i + 1; },
                        [&](int64_t i) { return out(rows.first + i, h); });
                }
            });
        }
    }

    void attend(const Layer& layer) {
        const int64_t dim = model_->head_dim, width = model_->heads * dim;
        pack(packed_, layer.qkv, step_->num_rows, by_row(normal_, model_->width));
        product(layer.qkv, projected_);
        each_token([&](const Rows& sequence, int64_t row, int64_t position) {
            float* queries = projected_.data() + row * 3 * width;
            for (int h = 0; h < 2 * model_->heads; h++) rotate(position, queries + h * dim, dim, false);
            for (int64_t i = 0; i < width; i++) queries[i] *= model_->scale;
            cache_.put(cache_.place(sequence.table, position), queries + width);
        });
        attended_.resize(step_->num_rows * width);
        const auto query = [&](int64_t row, int64_t h = 0) { return projected_.data() + row * 3 * width + h * dim; };
        const auto out = [&](int64_t row, int64_t h = 0) { return attended_.data() + row * width + h * dim; };
        look_up({model_->heads, 0, dim, width, dim, false}, query, out);
        attend_heads(
            [](const Rows&) {},
            [&](Head& head, const Rows& rows, int64_t h) {
                head.fill(
                    cache_format(), rows.position + rows.count, dim, dim,
                    [&](int64_t s, int64_t d) { return cache_.value(cache_.place(rows.table, s), h * dim + d); },
                    [&](int64_t s, int64_t d) { return cache_.value(cache_.place(rows.table, s), width + h * dim + d); });
            },
            query, out);
    }

    // of what many queries look at
    Format cache_format() const { return cache_.format == FLOAT32 ? FLOAT32 : BFLOAT16; }

    void attend_latent(const Layer& layer) {
        compress(layer);
        const int64_t nope = model_->nope, rope = model_->rope, rank = model_->rank, value_dim = model_->value_dim;
        const int64_t query_dim = nope + rope, queries_width = model_->heads * query_dim;
        attended_.resize(step_->num_rows * model_->heads * value_dim);
        const auto query = [&](int64_t row, int64_t h) { return projected_.data() + row * queries_width + h * query_dim; };
        const auto out = [&](int64_t row, int64_t h) { return attended_.data() + (row * model_->heads + h) * value_dim; };
        absorb(layer, query, out);
        attend_heads(
            [&](const Rows& rows) { expand(layer, rows); },
            [&](Head& head, const Rows& rows, int64_t h) {
                const int64_t dim = nope + value_dim;
                const float* expanded = expanded_.data() + h * dim;
                const auto from = [&](int64_t s) { return expanded + s * model_->heads * dim; };
                head.fill(
                    cache_format(), rows.position + rows.count, query_dim, value_dim,
                    [&](int64_t s, int64_t d) {
                        return d < nope ? from(s)[d] : cache_.value(cache_.place(rows.table, s), rank + d - nope);
                    },
                    [&](int64_t s, int64_t d) { return from(s)[nope + d]; });
            },
            query, out);
    }

    // Queries into projected_, scaled and rotated; latents and rope keys into the cache.
    void compress(const Layer& layer) {
        const int64_t rank = model_->rank, rope = model_->rope, query_dim = model_->nope + rope;
        pack(packed_, layer.latent_down, step_->num_rows, by_row(normal_, model_->width));
        product(layer.latent_down, latents_);
        if (layer.query_norm != nullptr) {
            const int64_t inner = layer.query_down.rows;
            pack(packed_, layer.query_down, step_->num_rows, by_row(normal_, model_->width));
            product(layer.query_down, compressed_);
            each_row([&](int64_t row) {
                float* x = compressed_.data() + row * inner;
                rms_norm(x, layer.query_norm, model_->latent_eps, inner, x);
            });
            pack(packed_, layer.query_up, step_->num_rows, by_row(compressed_, inner));
        } else {
            pack(packed_, layer.query_up, step_->num_rows, by_row(normal_, model_->width));
        }
        product(layer.query_up, projected_);
        each_token([&](const Rows& sequence, int64_t row, int64_t position) {
            float* latent = latents_.data() + row * (rank + rope);
            rms_norm(latent, layer.latent_norm, model_->latent_eps, rank, latent);
            rotate(position, latent + rank, rope, true);
            cache_.put(cache_.place(sequence.table, position), latent);
            float* queries = projected_.data() + row * model_->heads * query_dim;
            for (int h = 0; h < model_->heads; h++) rotate(position, queries + h * query_dim + model_->nope, rope, true);
            for (int64_t i = 0; i < model_->heads * query_dim; i++) queries[i] *= model_->scale;
        });
    }

    // Keys and values of all heads for the slots of a sequence with many rows.
    void expand(const Layer& layer, const Rows& rows) {
        const int64_t rank = model_->rank, slots = rows.position + rows.count;
        latents_.resize(slots * rank);
        parallel_for(slots, 64, [&](int64_t begin, int64_t end, int) {
            for (int64_t i = begin; i < end; i++)
                for (int64_t r = 0; r < rank; r++)
                    latents_[i * rank + r] = cache_.value(cache_.place(rows.table, i), r);
        });
        pack(packed_, layer.latent_up, slots, by_row(latents_, rank));
        expanded_.resize(slots * layer.latent_up.rows);
        multiply(layer.latent_up, packed_, [&](int64_t row, int64_t first, F32 value) {
            store_some(expanded_.data() + row * layer.latent_up.rows + first, value, layer.latent_up.rows - first);
        });
    }

    // Bring the queries of sequences with few rows into latent space, look there, and bring what is found back.
    template <class Query, class Out> void absorb(const Layer& layer, const Query& query, const Out& out) {
        const int64_t rank = model_->rank, rope = model_->rope, heads = model_->heads, dim = rank + rope;
        absorbed_.resize(step_->num_rows * heads * dim);
        found_.resize(step_->num_rows * heads * rank);
        small_.resize(Pool::shared().num_threads());
        const auto each_head = [&](const auto& visit) {
            parallel_for(step_->num_rows * heads, 4, [&](int64_t begin, int64_t end, int thread) {
                for (int64_t i = begin; i < end; i++)
                    if (step_->sequences[owners_[i / heads]].count < ABSORB_BELOW) visit(i / heads, i % heads, i, thread);
            });
        };
        each_head([&](int64_t row, int64_t h, int64_t i, int thread) {
            one_product(layer.key_up, h, query(row, h), absorbed_.data() + i * dim, thread);
            std::memcpy(absorbed_.data() + i * dim + rank, query(row, h) + model_->nope, rope * sizeof(float));
        });
        look_up(
            {model_->heads, 0, dim, 0, rank, true}, [&](int64_t row) { return absorbed_.data() + row * heads * dim; },
            [&](int64_t row) { return found_.data() + row * heads * rank; });
        each_head([&](int64_t row, int64_t h, int64_t i, int thread) {
            one_product(layer.value_up, h, found_.data() + i * rank, out(row, h), thread);
        });
    }

    // A small product of one row, inside a task.
    void one_product(const Weight& weight, int64_t number, const float* x, float* out, int thread) {
        Packed& packed = small_[thread];
        packed.shape(weight, 1);
        packed.fill(0, weight.num_inputs, [&](int64_t) { return x; });
        float found[LANES];
        for (int64_t tile = 0; tile < weight.num_tiles(); tile++) {
            const Tile one{&weight, number, tile};
            dot(&one, 1, packed, 0, found);
            store_some(out + tile * LANES, load<F32>(found), weight.rows - tile * LANES);
        }
    }

    void all_tokens(const MlpWeights& mlp, bool first) {
        if (first) experts_.clear();
        Group& group = experts_.add(mlp, 0);
        for (int64_t row = 0; row < step_->num_rows; row++) group.tokens.push_back(row);
        group.counts.assign(step_->num_rows, 1.0f);
    }

    void route(const Layer& layer) {
        const Routing& routing = model_->routing;
        pack(packed_, layer.router, step_->num_rows, by_row(normal_, model_->width));
        product(layer.router, logits_);
        by_expert_.resize(routing.num_experts);
        for (auto& chosen : by_expert_) chosen.clear();
        for (int64_t row = 0; row < step_->num_rows; row++)
            for (const Chosen& one : router_.choose(routing, logits_.data() + row * routing.num_experts, layer.expert_bias))
                by_expert_[one.expert].push_back({row, one.weight});
        experts_.clear();
        for (int64_t e = 0; e < routing.num_experts; e++) {
            if (by_expert_[e].empty()) continue;
            Group& group = experts_.add(layer.mlp, e);
            for (const auto& [row, weight] : by_expert_[e]) {
                group.tokens.push_back(row);
                group.counts.push_back(weight);
            }
        }
        if (layer.shared.gate.rows > 0) all_tokens(layer.shared, false);
    }

    static constexpr int64_t MOST_DIM = 256;  // of a rotated head; checked where the model is built

    const Language* model_ = nullptr;
    const Step* step_ = nullptr;
    Cache cache_{};
    Packed packed_;
    Floats normal_, projected_, attended_, latents_, compressed_, absorbed_, expanded_, found_, parts_, logits_;
    std::vector<int64_t> owners_;
    std::vector<Look> looks_, ends_;
    std::vector<Lookup> lookups_;
    std::vector<Join> joins_;
    std::vector<Head> heads_;
    std::vector<Packed> small_;
    std::vector<std::vector<std::pair<int64_t, float>>> by_expert_;
    Router router_;
    Experts experts_;
};

}  // namespace vl2
