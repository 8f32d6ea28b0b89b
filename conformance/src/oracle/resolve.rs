//! The six resolution rules (AVP-HS-018 … 040).

use serde_json::{Map, Value, json};

/// Fewest shared tokens for rule 5.
const MIN_SHARED_TOKENS: usize = 100;
/// How many characters of a hash an id shows.
const SHORT_HASH: usize = 16;

/// What a peer says of its model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the protocol's fields")]
pub struct Identity {
    pub model_family: String,
    pub model_id: String,
    pub model_hash: String,
    pub hidden_dim: u32,
    pub num_layers: u32,
    pub num_kv_heads: u32,
    pub head_dim: u32,
    pub tokenizer_hash: String,
}

impl Identity {
    /// As ACP/1 and the handshake write it: an empty tokenizer hash is left out (AVP-HS-008).
    pub fn to_json(&self) -> Map<String, Value> {
        let mut object = Map::new();
        let mut set = |key: &str, value: Value| object.insert(key.to_owned(), value);
        set("model_family", json!(self.model_family));
        set("model_id", json!(self.model_id));
        set("model_hash", json!(self.model_hash));
        set("hidden_dim", json!(self.hidden_dim));
        set("num_layers", json!(self.num_layers));
        set("num_kv_heads", json!(self.num_kv_heads));
        set("head_dim", json!(self.head_dim));
        if !self.tokenizer_hash.is_empty() {
            set("tokenizer_hash", json!(self.tokenizer_hash));
        }
        object
    }
}

/// What a resolution looks at.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    /// The side that resolves, and would send.
    pub local: Identity,
    /// The other side.
    pub remote: Identity,
    /// Tokens that the local side knows.
    pub local_vocab: Option<Vec<String>>,
    /// Tokens that the remote side knows.
    pub remote_vocab: Option<Vec<String>>,
    /// Stored maps, from one model hash to another.
    pub maps: Vec<(String, String)>,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// `LATENT` or `JSON`.
    pub mode: &'static str,
    /// Empty within one model.
    pub avp_map_id: String,
    /// Name of the rule.
    pub path: &'static str,
}

/// Applies the rules in their order; the first that holds wins.
pub fn resolve(peers: &Peers) -> Resolution {
    let Peers { local, remote, .. } = peers;
    let latent = |path, avp_map_id: String| Resolution { mode: "LATENT", avp_map_id, path };
    let short = |hash: &str| hash.chars().take(SHORT_HASH).collect::<String>();
    if !local.model_hash.is_empty() && local.model_hash == remote.model_hash {
        return latent("hash_match", String::new());
    }
    let same_structure = local.model_family == remote.model_family
        && local.hidden_dim == remote.hidden_dim
        && local.num_layers == remote.num_layers;
    if same_structure && !local.model_family.is_empty() && local.hidden_dim != 0 && local.num_layers != 0 {
        return latent("structural_match", String::new());
    }
    if !local.tokenizer_hash.is_empty() && local.tokenizer_hash == remote.tokenizer_hash {
        return latent("shared_tokenizer", format!("vocab:{}", short(&local.tokenizer_hash)));
    }
    let hashes = !local.model_hash.is_empty() && !remote.model_hash.is_empty();
    let stored = |(from, to): &(String, String)| *from == local.model_hash && *to == remote.model_hash;
    if hashes && peers.maps.iter().any(stored) {
        return latent("avp_map_file", format!("{}_{}", short(&local.model_hash), short(&remote.model_hash)));
    }
    if let Some(shared) = shared_tokens(peers).filter(|&n| n >= MIN_SHARED_TOKENS) {
        return latent("vocab_overlap", format!("vocab_overlap:{shared}"));
    }
    Resolution { mode: "JSON", avp_map_id: String::new(), path: "json_fallback" }
}

/// Token strings that both sides know, whatever their ids; `None` unless both vocabularies are there (AVP-HS-037).
fn shared_tokens(peers: &Peers) -> Option<usize> {
    let set = |tokens: &Option<Vec<String>>| {
        Some(tokens.as_ref()?.iter().cloned().collect::<std::collections::HashSet<String>>())
    };
    Some(set(&peers.local_vocab)?.intersection(&set(&peers.remote_vocab)?).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(family: &str, hash: &str, dims: (u32, u32), tokenizer: &str) -> Identity {
        Identity {
            model_family: family.into(),
            model_hash: hash.into(),
            hidden_dim: dims.0,
            num_layers: dims.1,
            tokenizer_hash: tokenizer.into(),
            ..Identity::default()
        }
    }

    fn tokens(count: usize) -> Option<Vec<String>> {
        Some((0..count).map(|i| format!("t{i}")).collect())
    }

    #[test]
    fn every_rule_and_its_edges() {
        let (h1, h2) = ("a".repeat(64), "b".repeat(64));
        let tok = "0123456789abcdef".repeat(4);
        let x = |hash: &str| side("", hash, (0, 0), "");
        for (local, remote, vocab, maps, path, id) in [
            (side("q", &h1, (1, 1), &tok), side("p", &h1, (2, 2), ""), None, vec![], "hash_match", ""),
            (x(""), x(""), None, vec![], "json_fallback", ""),
            (x("AB"), x("ab"), None, vec![], "json_fallback", ""),
            (side("q", &h1, (8, 2), ""), side("q", &h2, (8, 2), ""), None, vec![], "structural_match", ""),
            (side("Q", &h1, (8, 2), ""), side("q", &h2, (8, 2), ""), None, vec![], "json_fallback", ""),
            (side("", &h1, (8, 2), ""), side("", &h2, (8, 2), ""), None, vec![], "json_fallback", ""),
            (side("q", &h1, (0, 2), ""), side("q", &h2, (0, 2), ""), None, vec![], "json_fallback", ""),
            (
                side("q", "", (1, 1), &tok),
                side("p", "", (1, 1), &tok),
                None,
                vec![],
                "shared_tokenizer",
                "vocab:0123456789abcdef",
            ),
            (
                side("q", "", (1, 1), "abc"),
                side("p", "", (1, 1), "abc"),
                None,
                vec![],
                "shared_tokenizer",
                "vocab:abc",
            ),
            (
                x(&h1),
                x(&h2),
                None,
                vec![(h1.clone(), h2.clone())],
                "avp_map_file",
                "aaaaaaaaaaaaaaaa_bbbbbbbbbbbbbbbb",
            ),
            (x(&h1), x(&h2), None, vec![(h2.clone(), h1.clone())], "json_fallback", ""),
            (x(""), x(""), None, vec![(String::new(), String::new())], "json_fallback", ""),
            (x(&h1), x(&h2), tokens(100), vec![], "vocab_overlap", "vocab_overlap:100"),
            (x(&h1), x(&h2), tokens(99), vec![], "json_fallback", ""),
        ] {
            let peers = Peers { local, remote, local_vocab: vocab.clone(), remote_vocab: vocab, maps };
            let done = resolve(&peers);
            assert_eq!((done.path, done.avp_map_id.as_str()), (path, id), "{peers:?}");
            assert_eq!(done.mode == "JSON", path == "json_fallback");
        }
        let one = Peers { local_vocab: tokens(200), ..Peers::default() };
        assert_eq!(resolve(&one).path, "json_fallback");
    }
}
