//! The tokenizer that a GGUF file carries in its metadata, as plain data.

/// Family of the tokenizer (`tokenizer.ggml.model`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VocabularyKind {
    /// Byte-level BPE (`gpt2`).
    Bpe,
    /// SentencePiece BPE with scores (`llama`).
    SentencePiece,
}

/// What a token is (`tokenizer.ggml.token_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Ordinary text.
    Normal,
    /// The unknown token.
    Unknown,
    /// A special token that no text contains: end of text, roles of a chat.
    Control,
    /// Text that is matched before everything else.
    UserDefined,
    /// In the vocabulary only to fill a gap.
    Unused,
    /// One raw byte, written `<0xNN>`.
    Byte,
}

/// Tokens, merges and special tokens of a GGUF file.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabulary {
    /// Family.
    pub kind: VocabularyKind,
    /// Name of the pre-tokenizer (`tokenizer.ggml.pre`), e.g. `smollm`, `qwen2`, `llama-bpe`; of BPE only.
    pub pre: Option<String>,
    /// Text of each token; the index is the id.
    pub tokens: Vec<String>,
    /// Score of each token; of SentencePiece only, else empty.
    pub scores: Vec<f32>,
    /// Kind of each token, as many as tokens; all normal where the file says nothing.
    pub kinds: Vec<TokenKind>,
    /// Merges in order of rank, two parts divided by a space; of BPE only, else empty.
    pub merges: Vec<String>,
    /// Begin of text.
    pub bos: Option<u32>,
    /// End of text.
    pub eos: Option<u32>,
    /// Unknown.
    pub unknown: Option<u32>,
    /// Padding.
    pub padding: Option<u32>,
    /// Whether encoding puts `bos` first.
    pub add_bos: bool,
    /// Whether encoding puts `eos` last.
    pub add_eos: bool,
    /// Whether SentencePiece puts a space before the text.
    pub add_space_prefix: bool,
    /// Chat template (Jinja source).
    pub chat_template: Option<String>,
}
