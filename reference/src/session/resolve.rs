//! The six rules by which two peers agree how they talk (AVP-HS-018…046).

use std::collections::HashSet;

use super::id::SessionId;
use super::identity::ModelIdentity;
use super::vocabulary::Vocabulary;
use crate::error::Result;

/// Rule 5 wants at least this many tokens in common.
pub const MIN_SHARED_TOKENS: usize = 100;

/// How much of a hash stands in a map id, in characters.
const ID_CHARACTERS: usize = 16;

/// How a session talks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionMode {
    /// Tensors.
    Latent,
    /// Text messages.
    Json,
}

impl SessionMode {
    /// `LATENT` or `JSON`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latent => "LATENT",
            Self::Json => "JSON",
        }
    }
}

/// Which rule decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResolutionPath {
    /// Rule 1: the same model.
    HashMatch,
    /// Rule 2: the same family, hidden width and number of layers.
    StructuralMatch,
    /// Rule 3: the same tokenizer.
    SharedTokenizer,
    /// Rule 4: a stored projection from the local to the remote model.
    AvpMapFile,
    /// Rule 5: enough tokens in common.
    VocabOverlap,
    /// Rule 6: nothing in common.
    JsonFallback,
}

impl ResolutionPath {
    /// The name that all implementations use, e.g. `hash_match` (AVP-HS-044).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HashMatch => "hash_match",
            Self::StructuralMatch => "structural_match",
            Self::SharedTokenizer => "shared_tokenizer",
            Self::AvpMapFile => "avp_map_file",
            Self::VocabOverlap => "vocab_overlap",
            Self::JsonFallback => "json_fallback",
        }
    }
}

/// Something that a person should look at; it changes no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakeDiagnostic {
    /// One side writes hashes with a prefix such as `sha256:`, the other bare; they never match.
    HashFormMismatch,
    /// Rule 1 holds although sizes differ.
    SizesDiffer,
}

impl HandshakeDiagnostic {
    /// Its code in reports, e.g. `hash_form_mismatch`.
    pub fn code(self) -> &'static str {
        match self {
            Self::HashFormMismatch => "hash_form_mismatch",
            Self::SizesDiffer => "sizes_differ",
        }
    }
}

/// Says whether a projection map is stored (rule 4). Implemented for sets of (source hash, target hash) pairs.
pub trait MapLookup {
    /// Whether there is a map from the first model to the second, by their full hashes.
    fn has_map(&self, source_hash: &str, target_hash: &str) -> bool;
}

impl MapLookup for HashSet<(String, String)> {
    fn has_map(&self, source_hash: &str, target_hash: &str) -> bool {
        self.iter().any(|(source, target)| source == source_hash && target == target_hash)
    }
}

/// No maps at all.
impl MapLookup for () {
    fn has_map(&self, _: &str, _: &str) -> bool {
        false
    }
}

/// What two peers agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Fresh with every resolution.
    pub session_id: SessionId,
    /// How to talk.
    pub mode: SessionMode,
    /// Which map the sender applies before it sends (AVP-HS-045). Empty when none.
    pub avp_map_id: String,
    /// The rule that decided.
    pub path: ResolutionPath,
    /// Our side.
    pub local: ModelIdentity,
    /// The other side.
    pub remote: ModelIdentity,
    /// What a person should look at.
    pub diagnostics: Vec<HandshakeDiagnostic>,
}

/// Applies the rules; the first that holds decides (AVP-HS-040). `vocabularies` are the local and the remote one.
///
/// # Errors
/// `session` when the operating system gives no random bytes for the id.
pub fn resolve(
    local: &ModelIdentity,
    remote: &ModelIdentity,
    maps: &dyn MapLookup,
    vocabularies: Option<(&Vocabulary<'_>, &Vocabulary<'_>)>,
) -> Result<Resolution> {
    let (path, avp_map_id) = decide(local, remote, maps, vocabularies);
    let mode = match path {
        ResolutionPath::JsonFallback => SessionMode::Json,
        _ => SessionMode::Latent,
    };
    let mut diagnostics = Vec::new();
    if forms_differ(&local.model_hash, &remote.model_hash)
        || forms_differ(&local.tokenizer_hash, &remote.tokenizer_hash)
    {
        diagnostics.push(HandshakeDiagnostic::HashFormMismatch);
    }
    if path == ResolutionPath::HashMatch && sizes(local) != sizes(remote) {
        diagnostics.push(HandshakeDiagnostic::SizesDiffer);
    }
    Ok(Resolution {
        session_id: SessionId::random()?,
        mode,
        avp_map_id,
        path,
        local: local.clone(),
        remote: remote.clone(),
        diagnostics,
    })
}

fn decide(
    local: &ModelIdentity,
    remote: &ModelIdentity,
    maps: &dyn MapLookup,
    vocabularies: Option<(&Vocabulary<'_>, &Vocabulary<'_>)>,
) -> (ResolutionPath, String) {
    let hashed = !local.model_hash.is_empty() && !remote.model_hash.is_empty();
    if hashed && local.model_hash == remote.model_hash {
        return (ResolutionPath::HashMatch, String::new());
    }
    let described = !local.model_family.is_empty() && local.hidden_dim > 0 && local.num_layers > 0;
    if described
        && local.model_family == remote.model_family
        && local.hidden_dim == remote.hidden_dim
        && local.num_layers == remote.num_layers
    {
        return (ResolutionPath::StructuralMatch, String::new());
    }
    if !local.tokenizer_hash.is_empty() && local.tokenizer_hash == remote.tokenizer_hash {
        return (ResolutionPath::SharedTokenizer, format!("vocab:{}", prefix(&local.tokenizer_hash)));
    }
    if hashed && maps.has_map(&local.model_hash, &remote.model_hash) {
        return (ResolutionPath::AvpMapFile, map_id(&local.model_hash, &remote.model_hash));
    }
    if let Some((ours, theirs)) = vocabularies {
        let shared = ours.count_shared(theirs);
        if shared >= MIN_SHARED_TOKENS {
            return (ResolutionPath::VocabOverlap, format!("vocab_overlap:{shared}"));
        }
    }
    (ResolutionPath::JsonFallback, String::new())
}

/// The id of the map from one model to another: the first 16 characters of both hashes (AVP-HS-031, AVP-MAP-001).
pub fn map_id(source_hash: &str, target_hash: &str) -> String {
    format!("{}_{}", prefix(source_hash), prefix(target_hash))
}

/// The map's file name without extension; `None` unless both hashes are lowercase hex, so that no peer's text ever
/// becomes part of a path.
pub fn map_file_stem(source_hash: &str, target_hash: &str) -> Option<String> {
    let hex =
        |hash: &str| !hash.is_empty() && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (hex(source_hash) && hex(target_hash)).then(|| map_id(source_hash, target_hash))
}

fn prefix(hash: &str) -> &str {
    hash.char_indices().nth(ID_CHARACTERS).map_or(hash, |(end, _)| &hash[..end])
}

fn forms_differ(ours: &str, theirs: &str) -> bool {
    !ours.is_empty() && !theirs.is_empty() && ours.contains(':') != theirs.contains(':')
}

fn sizes(identity: &ModelIdentity) -> [u32; 4] {
    [identity.hidden_dim, identity.num_layers, identity.num_kv_heads, identity.head_dim]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two identities for which exactly the given rules hold, with what rules 4 and 5 need.
    fn pair(rules: &[u8]) -> (ModelIdentity, ModelIdentity, HashSet<(String, String)>, usize) {
        let holds = |rule| rules.contains(&rule);
        let local = ModelIdentity {
            model_family: "q".into(),
            model_hash: "a".repeat(64),
            hidden_dim: 8,
            num_layers: 2,
            tokenizer_hash: "0123456789abcdef".repeat(4),
            ..Default::default()
        };
        let mut remote = local.clone();
        if !holds(1) {
            remote.model_hash = "b".repeat(64);
        }
        if !holds(2) {
            remote.num_layers = 3;
        }
        if !holds(3) {
            remote.tokenizer_hash = "0123456789abcdef".repeat(3) + "fedcba9876543210";
        }
        let maps =
            if holds(4) { vec![(local.model_hash.clone(), remote.model_hash.clone())] } else { vec![] };
        (local, remote, maps.into_iter().collect(), if holds(5) { 100 } else { 99 })
    }

    fn tokens(count: usize, prefix: &str) -> Vocabulary<'static> {
        Vocabulary::new((0..count).map(|n| (format!("{prefix}{n}").into(), n as u64)))
    }

    fn path_of(rules: &[u8]) -> (ResolutionPath, String) {
        let (local, remote, maps, shared) = pair(rules);
        let ours = tokens(shared, "t");
        let mut theirs: Vec<_> = tokens(shared, "t").entries().to_vec();
        theirs.push(("only here".into(), 7));
        let resolution = resolve(&local, &remote, &maps, Some((&ours, &Vocabulary::new(theirs)))).unwrap();
        assert_eq!(resolution.mode == SessionMode::Json, resolution.path == ResolutionPath::JsonFallback);
        (resolution.path, resolution.avp_map_id)
    }

    #[test]
    fn the_first_rule_that_holds_decides() {
        let expected = [
            (ResolutionPath::HashMatch, String::new()),
            (ResolutionPath::StructuralMatch, String::new()),
            (ResolutionPath::SharedTokenizer, "vocab:0123456789abcdef".to_owned()),
            (ResolutionPath::AvpMapFile, format!("{}_{}", "a".repeat(16), "b".repeat(16))),
            (ResolutionPath::VocabOverlap, "vocab_overlap:100".to_owned()),
        ];
        for rules in 0_u8..32 {
            let rules: Vec<u8> = (1..=5).filter(|rule| rules >> (rule - 1) & 1 == 1).collect();
            let expected = match rules.first() {
                Some(rule) => expected[usize::from(*rule) - 1].clone(),
                None => (ResolutionPath::JsonFallback, String::new()),
            };
            assert_eq!(path_of(&rules), expected, "{rules:?}");
        }
    }

    #[test]
    fn empty_fields_never_match() {
        let empty = ModelIdentity::default();
        let maps = HashSet::from([(String::new(), String::new())]);
        let resolution = resolve(&empty, &empty, &maps, None).unwrap();
        assert_eq!(resolution.path, ResolutionPath::JsonFallback);
        for (hidden_dim, num_layers, model_family) in [(0, 2, "q"), (8, 0, "q"), (8, 2, "")] {
            let model_family = model_family.to_owned();
            let identity = ModelIdentity { hidden_dim, num_layers, model_family, ..Default::default() };
            assert_eq!(resolve(&identity, &identity, &(), None).unwrap().path, ResolutionPath::JsonFallback);
        }
    }

    #[test]
    fn a_map_counts_in_its_direction_only() {
        let (local, remote, _, _) = pair(&[]);
        let reversed = HashSet::from([(remote.model_hash.clone(), local.model_hash.clone())]);
        assert_eq!(resolve(&local, &remote, &reversed, None).unwrap().path, ResolutionPath::JsonFallback);
    }

    #[test]
    fn one_vocabulary_is_none() {
        // The signature takes both or neither; with neither, rule 5 is skipped (AVP-HS-037).
        let (local, remote, maps, _) = pair(&[5]);
        assert_eq!(resolve(&local, &remote, &maps, None).unwrap().path, ResolutionPath::JsonFallback);
    }

    #[test]
    fn oddities_are_reported() {
        let (local, mut remote, ..) = pair(&[1]);
        remote.head_dim = 4;
        assert_eq!(
            resolve(&local, &remote, &(), None).unwrap().diagnostics,
            [HandshakeDiagnostic::SizesDiffer]
        );
        remote.model_hash = format!("sha256:{}", local.model_hash);
        let resolution = resolve(&local, &remote, &(), None).unwrap();
        assert_ne!(resolution.path, ResolutionPath::HashMatch);
        assert_eq!(resolution.diagnostics, [HandshakeDiagnostic::HashFormMismatch]);
    }

    #[test]
    fn ids_of_maps() {
        assert_eq!(map_id("abc", "é".repeat(20).as_str()), format!("abc_{}", "é".repeat(16)));
        assert_eq!(map_file_stem("00ff", "../x"), None);
        assert_eq!(map_file_stem("", "00"), None);
        assert_eq!(map_file_stem("00", "ff").as_deref(), Some("00_ff"));
    }

    fn identities() -> impl Strategy<Value = ModelIdentity> {
        ("[ab]?", "[ab]?", 0_u32..3, 0_u32..3, "[tu]?").prop_map(
            |(model_family, model_hash, hidden_dim, num_layers, tokenizer_hash)| ModelIdentity {
                model_family,
                model_hash,
                hidden_dim,
                num_layers,
                tokenizer_hash,
                ..Default::default()
            },
        )
    }

    proptest! {
        #[test]
        fn symmetric_but_for_maps(a in identities(), b in identities(), shared in 90_usize..110) {
            let (ours, theirs) = (tokens(shared, "t"), tokens(120, "t"));
            let one = resolve(&a, &b, &(), Some((&ours, &theirs))).unwrap();
            let other = resolve(&b, &a, &(), Some((&theirs, &ours))).unwrap();
            prop_assert_eq!((one.path, one.avp_map_id), (other.path, other.avp_map_id));
            prop_assert_ne!(one.session_id, other.session_id);
        }
    }
}
