//! How the families of byte-level tokenizers split text, by the names that GGUF files give them.

use crate::error::{Error, ErrorClass, Result, excerpt};

/// GPT-2.
pub(crate) const GPT_2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// Qwen 2: digits one by one.
pub(crate) const QWEN_2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 3.5: marks belong to letters.
const QWEN_35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Llama 3: digits in threes.
const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Mistral's byte-level tokenizer: case changes divide words.
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// GPT-4o and Llama 4.
const GPT_4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// DeepSeek 3, after digits in threes and CJK have been set apart.
const DEEPSEEK_3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;

/// How text is split before byte-level BPE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    /// Every numeric character stands alone, before anything else.
    pub(crate) digits: bool,
    /// Expressions, one after the other on the parts of the one before.
    pub(crate) splits: &'static [&'static str],
    /// A part that is a token as it stands is that token, whatever the merges say.
    pub(crate) ignore_merges: bool,
    /// Text is put into normalization form C first.
    pub(crate) nfc: bool,
}

const PLAIN: Family = Family { digits: false, splits: &[GPT_2], ignore_merges: false, nfc: false };

impl Family {
    /// Of a name in `tokenizer.ggml.pre`. A file without a name is split as GPT-2 does.
    ///
    /// # Errors
    /// `configuration` for a name that is not known: splitting it in another way would give tokens that the model has
    /// never seen together, and nobody would notice.
    pub(crate) fn of(name: Option<&str>) -> Result<Self> {
        Ok(match name.unwrap_or("gpt-2") {
            "default" | "gpt-2" | "gpt2" | "mpt" | "olmo" | "jais" | "phi-2" | "dolly-v2" | "gigachat"
            | "mellum" | "exaone" => PLAIN,
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" => Self { digits: true, ..PLAIN },
            "qwen2" | "deepseek-r1-qwen" | "stablelm2" | "hunyuan" | "megrez" | "kormo" => {
                Self { splits: &[QWEN_2], nfc: true, ..PLAIN }
            }
            "qwen35" => Self { splits: &[QWEN_35], nfc: true, ..PLAIN },
            "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral" | "midm-2.0"
            | "lfm2" => Self { splits: &[LLAMA_3], ignore_merges: true, ..PLAIN },
            "dbrx" | "smaug-bpe" | "chatglm-bpe" | "glm4" => Self { splits: &[LLAMA_3], ..PLAIN },
            "tekken" => Self { splits: &[TEKKEN], ignore_merges: true, ..PLAIN },
            "gpt-4o" | "llama4" | "kanana2" | "talkie" | "minimax-m2" => Self { splits: &[GPT_4O], ..PLAIN },
            "deepseek-v3" => {
                Self { splits: &[r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK_3], ..PLAIN }
            }
            "deepseek-coder" => Self {
                splits: &[r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+", r"\p{N}"],
                ..PLAIN
            },
            other => {
                return Err(Error::new(
                    ErrorClass::Configuration,
                    "tokenizer.ggml.pre",
                    "the name of a known pre-tokenizer, or a tokenizer.json beside the weights",
                    excerpt(other),
                ));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::splitter::Splitter;

    #[test]
    fn every_expression_compiles() {
        for name in ["gpt-2", "smollm", "qwen2", "qwen35", "llama-bpe", "glm4", "tekken", "gpt-4o"] {
            for split in Family::of(Some(name)).unwrap().splits {
                Splitter::new(split).unwrap();
            }
        }
        for name in ["deepseek-v3", "deepseek-coder"] {
            for split in Family::of(Some(name)).unwrap().splits {
                Splitter::new(split).unwrap();
            }
        }
        assert_eq!(Family::of(Some("no-such")).unwrap_err().class, ErrorClass::Configuration);
    }
}
