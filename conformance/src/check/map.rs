//! Maps of random pairs: their ids, what comes back from the disk, and for whom it does not.

use serde_json::{Map, Value, json};

use super::draft::{BOTH, Draft, Property, V04, ok, reject, tensor};
use super::project::vocabularies;
use super::random::Random;
use super::realign::{embeddings, numbers, size};
use super::share::Share;
use crate::case::{CloseTensor, Dtype, Expect, ExpectPart, Part, PartContent, PartData, Tamper, Within};
use crate::oracle::{Matrix, Route, TokenIds, map_id, model_hash, route, target_norm};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "map-id",
        share: Share::Weight(160),
        specs: BOTH,
        requirements: &["AVP-MAP-001"],
        why: "Sixteen characters of each hash, the source's first.",
        bug: "map-id",
        make: id,
    },
    Property {
        name: "map-saved",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-MAP-002", "AVP-MAP-004"],
        why: "A map comes back as it went, to the bit, for its pair and no other.",
        bug: "map-changed-on-disk",
        make: saved,
    },
    Property {
        name: "map-collision",
        share: Share::Weight(16),
        specs: V04,
        requirements: &["AVP-MAP-007"],
        why: "Models whose hashes begin alike are different models.",
        bug: "full-hash-unchecked",
        make: collision,
    },
    Property {
        name: "map-damaged",
        share: Share::Weight(24),
        specs: BOTH,
        requirements: &["AVP-SEC-012"],
        why: "Whatever became of a map's file, whoever loads it stays alive, and takes no half of it.",
        bug: "damaged-map-loaded",
        make: damaged,
    },
    Property {
        name: "map-calibrated",
        share: Share::Weight(32),
        specs: V04,
        requirements: &["AVP-PRJ-025", "AVP-PRJ-026"],
        why: "Two vocabularies decide the method; the map says it, and holds the target's rows.",
        bug: "map-fields-wrong",
        make: calibrated,
    },
];

fn id(random: &mut Random, draft: &mut Draft) {
    let (source, target) = (random.hash(), random.hash());
    let right = json!({ "id": map_id(&source, &target) });
    draft.step(
        "map_id",
        json!({"source_hash": source, "target_hash": target}),
        Vec::new(),
        ok(right, vec![]),
    );
}

/// Arguments and parts that save a map.
struct Drawn {
    source: String,
    target: String,
    map: Value,
    parts: Vec<Part>,
}

impl Drawn {
    fn new(random: &mut Random) -> Self {
        let (source, target) = (random.hash(), random.hash());
        let (rows, cols) = (size(random, 20), size(random, 12));
        let overlap = random.once_in(2);
        // Any bits that are a number.
        let finite = |random: &mut Random| match f32::from_bits(random.u32()) {
            value if value.is_finite() => value,
            _ => -0.0,
        };
        let w: Vec<f32> = (0..rows * cols).map(|_| finite(random)).collect();
        let mut parts = vec![numbers("w_map", Dtype::F32, &[rows, cols], &w)];
        if random.once_in(3) {
            let bias: Vec<f32> = (0..cols).map(|_| finite(random)).collect();
            parts.push(numbers("bias", Dtype::F32, &[cols], &bias));
        }
        if overlap {
            for name in ["src_indices", "tgt_indices"] {
                let bytes: Vec<u8> =
                    (0..rows).flat_map(|_| (random.below(200_000) as u32).to_le_bytes()).collect();
                parts.push(tensor(name, Dtype::U32, &[rows as u64], bytes));
            }
        }
        let ratio = random.between(1, 64) as f64 / 64.0;
        let map = json!({
            "source_model_id": random.text(12),
            "source_hash": source,
            "source_dim": random.between(1, 8192),
            "target_model_id": random.text(12),
            "target_hash": target,
            "target_dim": cols,
            "method": if overlap { "vocab_overlap" } else { "vocab_mediated" },
            "target_norm": random.between(1, 1000) as f64 / 64.0,
            "anchor_count": 0,
            "validation_score": if overlap { ratio } else { 1.0 },
            "overlap_count": if overlap { rows } else { 0 },
            "overlap_ratio": if overlap { ratio } else { 0.0 },
        });
        Self { source, target, map, parts }
    }

    fn save(&self, draft: &mut Draft) {
        let args = json!({"cache_dir": {"$scratch": "cache"}, "map": self.map});
        draft.step("map_save", args, self.parts.clone(), ok(json!({}), Vec::new()));
    }

    /// `ok` with this map, to the bit.
    fn itself(&self) -> Expect {
        let bytes = self.parts.iter().filter_map(|part| match &part.data {
            PartData::Bytes(bytes) => Some((part.name.clone(), bytes.clone())),
            PartData::FromStep { .. } => None,
        });
        ok(json!({ "map": self.map }), bytes.collect())
    }
}

fn pair(source: &str, target: &str) -> Value {
    json!({"cache_dir": {"$scratch": "cache"}, "source_hash": source, "target_hash": target})
}

/// No map, or a refusal.
fn nothing() -> Expect {
    let none = ok(json!({"map": {"$absent": true}}), Vec::new());
    Expect::Either(vec![("none".to_owned(), none), ("refused".to_owned(), reject(&["decode"]))])
}

fn saved(random: &mut Random, draft: &mut Draft) {
    let (drawn, other) = (Drawn::new(random), random.hash());
    drawn.save(draft);
    let Drawn { source, target, .. } = &drawn;
    draft.step("map_load", pair(source, target), Vec::new(), drawn.itself());
    let absent = || ok(json!({"file": {"$absent": true}}), Vec::new());
    for (source, target) in [(target, source), (source, &other), (&other, target)] {
        draft.step("map_find", pair(source, target), Vec::new(), absent());
    }
}

fn collision(random: &mut Random, draft: &mut Draft) {
    let drawn = Drawn::new(random);
    drawn.save(draft);
    let Drawn { source, target, .. } = &drawn;
    let alike = |hash: &str, other: String| format!("{}{}", &hash[..16], &other[16..]);
    let (source, target) = match random.below(3) {
        0 => (alike(source, random.hash()), target.clone()),
        1 => (source.clone(), alike(target, random.hash())),
        _ => (alike(source, random.hash()), alike(target, random.hash())),
    };
    draft.settled_here("A-034");
    draft.step("map_load", pair(&source, &target), Vec::new(), nothing());
}

fn damaged(random: &mut Random, draft: &mut Draft) {
    let drawn = Drawn::new(random);
    drawn.save(draft);
    let tamper = match random.below(3) {
        0 => Tamper::Keep(random.below(400) as u64),
        1 => Tamper::Lose(random.between(1, 200) as u64),
        _ => {
            let count = random.between(0, 600);
            Tamper::Fill(random.bytes(count).into())
        }
    };
    let mut expect = nothing();
    if let (Tamper::Keep(_), Expect::Either(branches)) = (&tamper, &mut expect) {
        // Of a short file everything may have been kept.
        branches.push(("whole".to_owned(), drawn.itself()));
    }
    draft.step("map_load", pair(&drawn.source, &drawn.target), Vec::new(), expect);
    draft.tamper(tamper);
}

fn side(random: &mut Random, vocabulary: &TokenIds, width: usize) -> (Value, String) {
    let config =
        json!({"model_type": "llama", "hidden_size": width, "num_hidden_layers": random.between(1, 90)});
    let hash = model_hash(&config.to_string(), &[]).unwrap_or_default();
    (json!({"model_id": random.word(12), "config": config, "vocab": vocabulary}), hash)
}

fn calibrated(random: &mut Random, draft: &mut Draft) {
    let source_vocab: TokenIds;
    let vocab: TokenIds;
    match random.below(4) {
        0 => {
            [source_vocab, _] = vocabularies(random, 40);
            vocab = source_vocab.clone();
        }
        1 => {
            [source_vocab, vocab] = vocabularies(random, 90);
        }
        // At the border of what is enough.
        _ => {
            let shared = random.pick(&[98, 99, 100, 101, 130]);
            let numbered =
                |from: usize, count: usize| (from..from + count).map(|n| (format!("t{n}"), n as u32));
            source_vocab = numbered(0, 140).collect();
            vocab = numbered(140 - shared, 160).map(|(token, id)| (token, (id * 7) % 319)).collect();
        }
    }
    let (source_width, width) = (size(random, 64), size(random, 8));
    let (source, source_hash) = side(random, &source_vocab, source_width);
    let (target, target_hash) = side(random, &vocab, width);
    let rows = vocab.values().max().map_or(1, |most| *most as usize + 1) + random.below(8);
    let embed = embeddings(random, "tgt_embed", rows, width);
    let all = match (&embed.data, embed.dtype, &embed.shape) {
        (PartData::Bytes(bytes), Some(dtype), Some(shape)) => Matrix::of_bytes(dtype, shape, bytes),
        _ => None,
    };
    let all = all.unwrap_or_default();
    let expect = match route(&source_vocab, &vocab) {
        Route::None => reject(&["invalid_argument"]),
        found => {
            let (method, count, ratio, indices) = match &found {
                Route::Overlap(shared) => {
                    ("vocab_overlap", shared.src_indices.len(), shared.ratio, Some(shared))
                }
                _ => ("vocab_mediated", 0, 0.0, None),
            };
            let picked = match indices {
                Some(shared) => {
                    let rows = shared.tgt_indices.iter().flat_map(|id| all.row(*id as usize));
                    Matrix { rows: count, cols: width, values: rows.copied().collect() }
                }
                None => all.clone(),
            };
            let close = |value: f64, rel: f64| json!({"$close": {"value": value, "rel": rel, "abs": 1e-9}});
            let map = json!({
                "source_model_id": source["model_id"],
                "source_hash": source_hash,
                "source_dim": source_width,
                "target_model_id": target["model_id"],
                "target_hash": target_hash,
                "target_dim": width,
                "method": method,
                "target_norm": close(target_norm(&all).unwrap_or_default(), 1e-5),
                "anchor_count": 0,
                "validation_score": close(if indices.is_some() { ratio } else { 1.0 }, 1e-6),
                "overlap_count": count,
                "overlap_ratio": close(ratio, 1e-6),
            });
            let w_map = CloseTensor {
                shape: vec![picked.rows as u64, width as u64],
                values: picked.to_f32_bytes().into(),
                through: None,
                within: Within { frobenius: Some(0.0), ..Within::default() },
            };
            let mut parts = vec![("w_map", PartContent::Close(w_map))];
            let bytes =
                |ids: &[u32]| PartContent::Bytes(ids.iter().flat_map(|id| id.to_le_bytes()).collect());
            if let Some(shared) = indices {
                parts.push(("src_indices", bytes(&shared.src_indices)));
                parts.push(("tgt_indices", bytes(&shared.tgt_indices)));
            }
            let ok = Map::from_iter([("map".to_owned(), map), ("saved".to_owned(), true.into())]);
            let parts =
                parts.into_iter().map(|(name, content)| ExpectPart { name: name.to_owned(), content });
            Expect::Ok { ok, should: Map::new(), parts: parts.collect() }
        }
    };
    let args = json!({"cache_dir": {"$scratch": "cache"}, "source": source, "target": target});
    draft.step("calibrate", args, vec![embed], expect);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_asked_for() {
        let property = PROPERTIES.last().unwrap();
        let mut seen = [0; 3];
        for index in 0..32 {
            let mut draft = Draft::new(property, crate::case::Spec::V04, 3, index);
            calibrated(&mut Random::new(3, property.name, index), &mut draft);
            let told = format!("{:?}", draft.finish().steps[0].expect);
            let at =
                ["vocab_mediated", "vocab_overlap", "Reject"].iter().position(|kind| told.contains(kind));
            seen[at.unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| *count > 1), "{seen:?}");
    }
}
