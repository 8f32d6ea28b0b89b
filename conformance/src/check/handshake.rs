//! Identities, hellos and resolutions.

use serde_json::{Value, json};

use super::draft::{BOTH, Draft, Property, ok, part_of};
use super::random::Random;
use super::share::Share;
use super::value::plain_value;
use crate::oracle::{Identity, Peers, extract_identity, resolve};

pub(super) const PROPERTIES: &[Property] = &[
    Property {
        name: "resolve",
        share: Share::Weight(256),
        specs: BOTH,
        requirements: &["AVP-HS-040"],
        why: "Of the six rules the first that holds decides, whatever else is equal or different.",
        bug: "resolution",
        make: resolution,
    },
    Property {
        name: "resolve-symmetry",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-HS-041"],
        why: "Both sides come to the same result, so that they need not tell each other.",
        bug: "resolver-not-symmetric",
        make: symmetry,
    },
    Property {
        name: "session-ids",
        share: Share::Fixed(1, "it asks a hundred times in one case"),
        specs: BOTH,
        requirements: &["AVP-HS-042"],
        why: "No two resolutions get the same session id, of whatever peers.",
        bug: "session-id-repeats",
        make: session_ids,
    },
    Property {
        name: "identity-round-trip",
        share: Share::Weight(48),
        specs: BOTH,
        requirements: &[
            "AVP-HS-001",
            "AVP-HS-002",
            "AVP-HS-003",
            "AVP-HS-004",
            "AVP-HS-005",
            "AVP-HS-006",
            "AVP-HS-007",
        ],
        why: "What one side says of its model is what the other side reads.",
        bug: "identity-damaged",
        make: identity_round_trip,
    },
    Property {
        name: "identity-extract",
        share: Share::Weight(64),
        specs: BOTH,
        requirements: &["AVP-HS-014"],
        why: "An identity comes from a configuration by the names that model families use.",
        bug: "config-name-unknown",
        make: identity_extract,
    },
    Property {
        name: "hello-round-trip",
        share: Share::Weight(32),
        specs: BOTH,
        requirements: &["AVP-HS-010"],
        why: "A hello is read as it was written.",
        bug: "hello-damaged",
        make: hello_round_trip,
    },
];

/// Values for both sides from small pools, so that each field is often equal.
struct Pools {
    hashes: [String; 3],
    tokenizers: [String; 3],
}

impl Pools {
    fn new(random: &mut Random) -> Self {
        // The third shares its first 16 characters with the second.
        let (first, second) = (random.hash(), random.hash());
        let third = format!("{}{}", &second[..16], &random.hash()[16..]);
        let (t1, t2) = (random.hash(), random.hash());
        let t3 = format!("{}{}", &t1[..16], &random.hash()[16..]);
        Self { hashes: [first, second, third], tokenizers: [t1, t2, t3] }
    }

    fn identity(&self, random: &mut Random) -> Identity {
        let some = |random: &mut Random, from: &[String]| {
            if random.once_in(4) { String::new() } else { random.pick(from) }
        };
        Identity {
            model_family: random.pick(&["llama", "llama", "qwen2", "Llama", ""]).to_owned(),
            model_id: random.word(8),
            model_hash: some(random, &self.hashes),
            hidden_dim: random.pick(&[0, 2048, 2048, 4096]),
            num_layers: random.pick(&[0, 16, 16, 32]),
            num_kv_heads: random.pick(&[0, 1, 8]),
            head_dim: random.pick(&[0, 64, 128]),
            tokenizer_hash: some(random, &self.tokenizers),
        }
    }
}

/// Both sides, of which nothing, something or everything is equal.
fn peers(random: &mut Random, maps: bool) -> Peers {
    let pools = Pools::new(random);
    let (local, mut remote) = (pools.identity(random), pools.identity(random));
    // Left to chance rules 1 and 2 would win nearly always.
    if random.once_in(2) && remote.model_hash == local.model_hash {
        remote.model_hash = String::new();
    }
    if random.once_in(2) && remote.model_family == local.model_family {
        remote.model_family = "gemma".to_owned();
    }
    // The structures of two models are hardly ever equal by chance.
    if random.once_in(8) {
        let Identity { model_family, hidden_dim, num_layers, num_kv_heads, head_dim, .. } = local.clone();
        remote = Identity { model_family, hidden_dim, num_layers, num_kv_heads, head_dim, ..remote };
    }
    let mut peers = Peers { local, remote, ..Peers::default() };
    if maps && random.once_in(2) {
        for _ in 0..random.between(1, 3) {
            peers.maps.push((random.pick(&pools.hashes), random.pick(&pools.hashes)));
        }
        if random.once_in(2) && !peers.local.model_hash.is_empty() && !peers.remote.model_hash.is_empty() {
            peers.maps.push((peers.local.model_hash.clone(), peers.remote.model_hash.clone()));
        }
        keep_full_hashes_apart(&mut peers);
    }
    if random.once_in(3) {
        let (shared, own) = (random.between(90, 130), random.below(20));
        let list = |prefix: &str| {
            let common = (0..shared).map(|i| format!("s{i}"));
            common.chain((0..own).map(|i| format!("{prefix}{i}"))).collect::<Vec<_>>()
        };
        peers.local_vocab = (!random.once_in(6)).then(|| list("l"));
        peers.remote_vocab = (!random.once_in(6)).then(|| list("r"));
        if let Some(vocab) = &mut peers.local_vocab {
            random.shuffle(vocab);
        }
    }
    peers
}

/// File names carry 16 characters of each hash, so a map of other hashes that begin alike may or may not be found
/// (ambiguity A-034): such maps are left out.
fn keep_full_hashes_apart(peers: &mut Peers) {
    let (local, remote) = (peers.local.model_hash.clone(), peers.remote.model_hash.clone());
    let alike = |a: &str, b: &str| a != b && a.get(..16) == b.get(..16);
    peers.maps.retain(|(from, to)| !alike(from, &local) && !alike(to, &remote));
}

fn arguments(peers: &Peers) -> Value {
    let mut args = json!({ "local": peers.local.to_json(), "remote": peers.remote.to_json() });
    if let Some(vocab) = &peers.local_vocab {
        args["local_vocab"] = json!(vocab);
    }
    if let Some(vocab) = &peers.remote_vocab {
        args["remote_vocab"] = json!(vocab);
    }
    if !peers.maps.is_empty() {
        args["maps"] = json!(peers.maps);
    }
    args
}

fn resolve_step(draft: &mut Draft, peers: &Peers) -> &'static str {
    let right = resolve(peers);
    let content = json!({"mode": right.mode, "avp_map_id": right.avp_map_id, "resolution_path?": right.path});
    if right.path == "vocab_overlap" {
        draft.requires("overlap");
    }
    draft.step("resolve", arguments(peers), Vec::new(), ok(content, Vec::new()));
    right.path
}

fn resolution(random: &mut Random, draft: &mut Draft) {
    let peers = peers(random, true);
    let rule = match resolve_step(draft, &peers) {
        "hash_match" => "AVP-HS-018",
        "structural_match" => "AVP-HS-023",
        "shared_tokenizer" => "AVP-HS-027",
        "avp_map_file" => "AVP-HS-031",
        "vocab_overlap" => "AVP-HS-034",
        _ => "AVP-HS-039",
    };
    draft.requirements(&["AVP-HS-040", rule]);
}

fn symmetry(random: &mut Random, draft: &mut Draft) {
    let there = peers(random, false);
    let back = Peers {
        local: there.remote.clone(),
        remote: there.local.clone(),
        local_vocab: there.remote_vocab.clone(),
        remote_vocab: there.local_vocab.clone(),
        maps: Vec::new(),
    };
    resolve_step(draft, &there);
    resolve_step(draft, &back);
    draft.relation("/avp_map_id", vec![vec![0, 1]], false);
}

fn session_ids(random: &mut Random, draft: &mut Draft) {
    let pools = Pools::new(random);
    let pair = Peers { local: pools.identity(random), remote: pools.identity(random), ..Peers::default() };
    for i in 0..100 {
        // The same pair again and again, and others between.
        let mut peers = pair.clone();
        if i % 2 == 1 {
            peers.remote = pools.identity(random);
        }
        let content = json!({"mode": resolve(&peers).mode, "session_id?": {"$nonempty": true}});
        draft.step("resolve", arguments(&peers), Vec::new(), ok(content, Vec::new()));
    }
    draft.relation("/session_id", Vec::new(), true);
    draft.timeout_ms(10_000);
}

fn identity(random: &mut Random) -> Identity {
    Identity {
        model_family: random.text(8),
        model_id: random.text(12),
        model_hash: random.hash(),
        hidden_dim: random.number(),
        num_layers: random.number(),
        num_kv_heads: random.number(),
        head_dim: random.number(),
        tokenizer_hash: if random.once_in(3) { String::new() } else { random.hash() },
    }
}

/// What a reading side must answer; an empty tokenizer hash may be there or not.
fn read_back(identity: &Identity) -> Value {
    let mut object = identity.to_json();
    if identity.tokenizer_hash.is_empty() {
        object.insert("tokenizer_hash?".to_owned(), json!(""));
    }
    json!({ "$subset": object })
}

fn identity_round_trip(random: &mut Random, draft: &mut Draft) {
    let identity = identity(random);
    let args = json!({ "identity": identity.to_json() });
    let written = super::draft::ok_json("json", json!({ "$subset": identity.to_json() }));
    draft.step("identity_encode", args, Vec::new(), written);
    let content = json!({ "identity": read_back(&identity) });
    draft.step("identity_decode", json!({}), vec![part_of("json", 0)], ok(content, Vec::new()));
}

fn identity_extract(random: &mut Random, draft: &mut Draft) {
    let gpt2 = random.once_in(3);
    let names = if gpt2 {
        ["n_embd", "n_layer", "n_head"]
    } else {
        ["hidden_size", "num_hidden_layers", "num_attention_heads"]
    };
    let heads = random.between(1, 128);
    let mut config = json!({
        "model_type": random.word(8),
        "_name_or_path": random.word(12),
        names[0]: random.between(1, 16_384),
        names[1]: random.between(1, 200),
        names[2]: heads,
        "vocab_size": random.between(1, 200_000),
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": random.once_in(2),
    });
    if !gpt2 && random.once_in(2) {
        config["num_key_value_heads"] = json!(random.between(1, heads));
    }
    if random.once_in(3) {
        config["head_dim"] = json!(random.between(1, 512));
    }
    let identity = config.as_object().map(extract_identity).unwrap_or_default();
    let mut expected = identity.to_json();
    // The hash of a configuration is tested on its own.
    expected.shift_remove("model_hash");
    let content = json!({ "identity": { "$subset": expected } });
    draft.step("identity_extract", json!({ "config": config }), Vec::new(), ok(content, Vec::new()));
}

fn hello_round_trip(random: &mut Random, draft: &mut Draft) {
    let identity = identity(random);
    let mut hello = json!({
        "agent_id": random.text(10),
        "avp_version": random.pick(&["0.2.3", "0.4", "0.6.2", "9.9.9"]),
        "identity": identity.to_json(),
    });
    let mut expected = hello.clone();
    expected["identity"] = read_back(&identity);
    if random.once_in(2) {
        let capabilities = json!({ "x": plain_value(random, 2) });
        hello["capabilities"] = capabilities.clone();
        // Optional in every respect (AVP-HS-011).
        expected["capabilities?"] = capabilities;
    }
    let written = super::draft::ok_json(
        "json",
        json!({ "$subset": {
            "agent_id": hello["agent_id"], "avp_version": hello["avp_version"], "identity": {"$subset": identity.to_json()},
        }}),
    );
    draft.step("hello_encode", json!({ "hello": hello }), Vec::new(), written);
    let content = json!({ "hello": { "$subset": expected } });
    draft.step("hello_decode", json!({}), vec![part_of("json", 0)], ok(content, Vec::new()));
}
