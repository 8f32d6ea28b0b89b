//! Requests to a server: messages, texts and hellos, right and wrong, whole and in pieces.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::decoding::any_valid;
use super::draft::{BOTH, Draft, Property, ok, part};
use super::fault::spoilt;
use super::message::Sample;
use super::random::Random;
use super::share::Share;
use crate::case::{Expect, Part};
use crate::dissect::Stage;

/// Requests to one server.
const REQUESTS: usize = 8;

/// Time limit of a case: a server has to start in it.
const LIMIT_MS: u64 = 10_000;

pub(super) const PROPERTIES: &[Property] = &[Property {
    name: "http-requests",
    // With eight requests each, in two dialects, as many requests as there are cases in other areas.
    share: Share::Permille(63),
    specs: BOTH,
    requirements: &["AVP-HTTP-006"],
    why: "Requests of every kind, right and wrong, in any order and in pieces of any size: each gets its own answer.",
    bug: "server-answers",
    make: requests,
}];

fn requests(random: &mut Random, draft: &mut Draft) {
    let own = json!({"model_family": "llama", "model_id": random.word(8), "model_hash": random.hash(), "hidden_dim": 64,
        "num_layers": 2, "num_kv_heads": 2, "head_dim": 16, "tokenizer_hash": random.hash()});
    // A server that runs already is not asked two thousand times.
    draft.requires("server_identity");
    draft.timeout_ms(LIMIT_MS);
    let args = json!({"transport": "h1", "agent_id": "server-agent", "identity": own});
    draft.step("serve", args, Vec::new(), ok(json!({"port": {"$nonempty": true}}), Vec::new()));
    let mut ids = BTreeSet::new();
    for _ in 0..REQUESTS {
        ids.insert(match random.below(8) {
            0..=2 => transmit(random, draft),
            3..=4 => refused_message(random, draft),
            5 => text(random, draft),
            6 => hello(random, draft, &own),
            _ => health(draft),
        });
    }
    draft.settled_here("A-049");
    draft.requirements(&ids.into_iter().collect::<Vec<_>>());
}

/// Asks; one body in three goes in pieces.
fn ask(random: &mut Random, draft: &mut Draft, mut args: Value, parts: Vec<Part>, expect: Expect) {
    if random.once_in(3) {
        args["chunk"] = random.between(1, 40).into();
    }
    draft.step("peer_request", args, parts, expect);
}

fn accepted() -> Expect {
    ok(json!({"class": "2xx", "body": {"$subset": {"success": true}}}), Vec::new())
}

fn refused() -> Expect {
    ok(json!({"class": "4xx", "body": {"$subset": {"success": false, "message": {"$re": "."}}}}), Vec::new())
}

fn transmit(random: &mut Random, draft: &mut Draft) -> &'static str {
    let mut sample = any_valid(random, draft.spec);
    // Whether a message of a session that nobody opened is taken is the server's choice.
    sample.set_text(0, String::new());
    if sample.compressed {
        draft.requires("zstd");
    }
    let message = sample.message(draft.spec).to_bytes();
    let args = json!({"path": "/avp/v2/transmit"});
    ask(random, draft, args, vec![part("message", message)], accepted());
    "AVP-HTTP-006"
}

fn refused_message(random: &mut Random, draft: &mut Draft) -> &'static str {
    let mut message = Sample::new(random, draft.spec).message(draft.spec);
    let why = draft.why_now().to_owned();
    spoilt(random, draft, &mut message, |stage| stage <= Stage::Metadata);
    draft.why(why);
    let args = json!({"path": "/avp/v2/transmit"});
    ask(random, draft, args, vec![part("message", message.to_bytes())], refused());
    "AVP-HTTP-007"
}

fn text(random: &mut Random, draft: &mut Draft) -> &'static str {
    if random.once_in(3) {
        let cut = random.pick(&["{", "[]", "\"x\"", "", "7", "{\"content\":"]);
        let args = json!({"path": "/avp/v2/text", "text": cut});
        ask(random, draft, args, Vec::new(), refused());
        return "AVP-HTTP-011";
    }
    let message = json!({"avp_version": draft.spec.as_str(), "session_id": "", "source_agent_id": random.text(8),
        "target_agent_id": "server-agent", "content": random.text(60)});
    ask(random, draft, json!({"path": "/avp/v2/text", "json": message}), Vec::new(), accepted());
    "AVP-HTTP-009"
}

fn hello(random: &mut Random, draft: &mut Draft, own: &Value) -> &'static str {
    let theirs = json!({"model_family": random.pick(&["gpt2", "llama"]), "model_id": random.word(8),
        "model_hash": random.hash(), "hidden_dim": random.pick(&[48, 64]), "num_layers": 3, "num_kv_heads": 3,
        "head_dim": 16, "tokenizer_hash": random.hash()});
    let hello = json!({"agent_id": random.word(8), "avp_version": draft.spec.as_str(), "identity": theirs});
    let body = json!({"$subset": {"success": true, "identity": {"$subset": own}}});
    let expect = ok(json!({"class": "2xx", "body": body}), Vec::new());
    ask(random, draft, json!({"path": "/avp/v2/handshake", "json": hello}), Vec::new(), expect);
    "AVP-HTTP-001"
}

fn health(draft: &mut Draft) -> &'static str {
    let expect = ok(json!({"class": "2xx", "body": {"status": "ok"}}), Vec::new());
    draft.step("peer_request", json!({"path": "/health"}), Vec::new(), expect);
    "AVP-HTTP-012"
}
