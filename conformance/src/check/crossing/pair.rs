//! Two tiny models and what goes from one to the other.

use serde_json::{Map, Value, json};

use super::super::draft::{Draft, ok, part};
use super::super::random::Random;
use super::super::tiny::Tiny;
use crate::case::{CloseTensor, Expect, ExpectPart, Part, PartContent, Within};
use crate::oracle::{Crossing, Greedy, Thinker, TokenIds};

/// Least distance of a highest logit from the second, so that rounding does not choose the token.
const CLEAR: f64 = 2e-3;

/// Tokens that a text has at most.
const WRITTEN: usize = 6;

/// Models that are drawn until a transfer between two is clear.
const TRIES: usize = 40;

/// Positions of the models that read long prompts.
const LONG: usize = 512;

/// Two models and what goes from one to the other.
pub(super) struct Pair {
    pub(super) source: Tiny,
    pub(super) source_vocab: TokenIds,
    source_ids: Vec<u32>,
    steps: usize,
    pub(super) target: Tiny,
    pub(super) vocab: TokenIds,
    ids: Vec<u32>,
    vectors: usize,
}

/// What is drawn.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// 0 to 3: Llama and Qwen2, tied and untied.
    pub(super) source: usize,
    pub(super) target: usize,
    pub(super) steps: usize,
    pub(super) vectors: usize,
    /// Tokens of the source's prompt; 0 for a few.
    pub(super) prompt: usize,
    pub(super) overlap: bool,
}

impl Pair {
    /// Draws until the text is clear, and another one than without the transfer.
    pub(super) fn draw(random: &mut Random, plan: Plan) -> Self {
        for _ in 1..TRIES {
            let pair = Self::once(random, plan);
            if pair.is_clear() {
                return pair;
            }
        }
        Self::once(random, plan)
    }

    pub(super) fn once(random: &mut Random, plan: Plan) -> Self {
        let positions = if plan.prompt > 0 { LONG } else { 256 };
        let sizes = match plan.overlap {
            true => [random.between(112, 128), random.between(112, 128)],
            // Vocabularies of one tokenizer, padded to different sizes.
            false => [random.between(36, 48), random.between(36, 48)],
        };
        let source = Tiny::sized(random, plan.source, sizes[0], positions);
        let target = Tiny::sized(random, plan.target, sizes[1], 256);
        let (source_vocab, vocab) = match plan.overlap {
            false => {
                let vocab: TokenIds =
                    (0..sizes[0].min(sizes[1]) as u32).map(|id| (format!("t{id}"), id)).collect();
                (vocab.clone(), vocab)
            }
            true => {
                let shared = 104;
                let own = |side: &str, count: usize| -> Vec<String> {
                    (0..count - shared).map(|n| format!("{side}{n}")).collect()
                };
                let of = |random: &mut Random, side: &str, count: usize| -> TokenIds {
                    let mut tokens: Vec<String> = (0..shared).map(|n| format!("t{n}")).collect();
                    tokens.extend(own(side, count));
                    random.shuffle(&mut tokens);
                    tokens.into_iter().zip(0..).collect()
                };
                (of(random, "s", sizes[0]), of(random, "u", sizes[1]))
            }
        };
        let prompt = |random: &mut Random, tiny: &Tiny, count: usize| -> Vec<u32> {
            (0..count).map(|_| random.between(2, tiny.shape.vocab_size - 1) as u32).collect()
        };
        let count = if plan.prompt > 0 { plan.prompt } else { random.between(1, 7) };
        let source_ids = prompt(random, &source, count);
        let count = random.between(1, 5);
        let ids = prompt(random, &target, count);
        let Plan { steps, vectors, .. } = plan;
        Self { source, source_vocab, source_ids, steps, target, vocab, ids, vectors }
    }

    fn crossing<'a>(&'a self, source: &'a Thinker) -> Crossing<'a> {
        Crossing {
            source,
            source_vocab: &self.source_vocab,
            source_ids: &self.source_ids,
            steps: self.steps,
            target: &self.target.thinker,
            vocab: &self.vocab,
            vectors: self.vectors,
        }
    }

    fn text(&self, source: &Thinker) -> Option<Greedy> {
        let crossing = self.crossing(source);
        Some(crossing.write(&crossing.cross()?, &self.ids, WRITTEN))
    }

    /// The text of the prompt alone.
    fn alone(&self) -> Greedy {
        self.target.thinker.greedy(self.target.empty(), &self.ids, WRITTEN)
    }

    fn is_clear(&self) -> bool {
        let alone = self.alone();
        let states = |thinker: &Thinker| {
            thinker.think(thinker.decoder.empty_cache(), &self.source_ids, self.steps).states
        };
        alone.margin > CLEAR
            && self.ways().iter().all(|(_, thinker)| {
                self.text(thinker).is_some_and(|text| text.margin > CLEAR && text.ids != alone.ids)
            })
            && self.source.is_calm(states)
    }

    /// Soft embeddings of the source's latent steps may come as they are or at the length of an embedding.
    fn ways(&self) -> Vec<(&'static str, Thinker)> {
        let plain = ("plain", self.source.thinker.clone());
        match self.source.shape.tied && self.steps > 0 {
            true => vec![plain, ("rescaled", self.source.rescaled())],
            false => vec![plain],
        }
    }

    pub(super) fn args(&self, more: Value) -> Value {
        let mut args = json!({
            "source_config": self.source.model.config,
            "source_vocab": self.source_vocab,
            "source_ids": self.source_ids,
            "steps": self.steps,
            "config": self.target.model.config,
            "vocab": self.vocab,
            "ids": self.ids,
            "max_tokens": WRITTEN,
            "cache_dir": {"$scratch": "cache"},
        });
        if self.vectors != 1 {
            args["vectors"] = self.vectors.into();
        }
        if let (Value::Object(args), Value::Object(more)) = (&mut args, more) {
            args.extend(more);
        }
        args
    }

    pub(super) fn parts(&self) -> Vec<Part> {
        let [source, target] = [&self.source, &self.target].map(|tiny| tiny.model.weights());
        vec![part("source_weights", source), part("weights", target)]
    }

    /// Asks for the transfer; `more` is said of the answer, `within` of what was injected.
    pub(super) fn ask(&self, draft: &mut Draft, args: Value, more: &Value, within: Within) {
        let ways = self.ways();
        if ways.len() > 1 {
            draft.settled_here("A-039");
        }
        let mut branches: Vec<(String, Expect)> = Vec::new();
        for (name, thinker) in &ways {
            branches.push(((*name).to_owned(), self.expect(thinker, more, within)));
        }
        let expect = match branches.len() {
            1 => branches.remove(0).1,
            _ => Expect::Either(branches),
        };
        draft.step("transfer", self.args(args), self.parts(), expect);
    }

    fn expect(&self, source: &Thinker, more: &Value, within: Within) -> Expect {
        let crossing = self.crossing(source);
        let Some(crossed) = crossing.cross() else {
            return ok(json!({ "the oracle has no answer": true }), Vec::new());
        };
        let text = crossing.write(&crossed, &self.ids, WRITTEN);
        let mut right = Map::from_iter([
            ("ids".to_owned(), json!(text.ids)),
            ("latent".to_owned(), true.into()),
            ("projection_method".to_owned(), crossed.method.into()),
            ("prompt_tokens".to_owned(), self.source_ids.len().into()),
            ("primed_len".to_owned(), self.vectors.into()),
        ]);
        if let Value::Object(more) = more {
            right.extend(more.clone());
        }
        let injected = CloseTensor {
            shape: vec![crossed.injected.rows as u64, crossed.injected.cols as u64],
            values: crossed.injected.to_f32_bytes().into(),
            through: None,
            within,
        };
        let parts = vec![ExpectPart { name: "injected".to_owned(), content: PartContent::Close(injected) }];
        Expect::Ok { ok: right, should: Map::new(), parts }
    }

    /// Asks for a text that nothing was handed over for.
    pub(super) fn ask_alone(&self, draft: &mut Draft, args: Value) {
        let right = json!({
            "ids": self.alone().ids,
            "latent": false,
            "primed_len?": 0,
            "warnings": {"$nonempty": true},
        });
        draft.step("transfer", self.args(args), self.parts(), ok(right, Vec::new()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The draw must not run out of tries: a case with the last pair that came would judge its rounding.
    #[test]
    fn clear_transfers_are_found() {
        for (index, overlap) in [(0, false), (6, false), (9, true)] {
            let plan =
                Plan { source: index % 4, target: index / 4, steps: 2, vectors: 1, prompt: 0, overlap };
            let pair = Pair::draw(&mut Random::new(5, "crossing", index as u32), plan);
            assert!(pair.is_clear(), "{index}");
            let args = pair.args(json!({}));
            assert_eq!(args["ids"], json!(pair.ids));
        }
    }
}
