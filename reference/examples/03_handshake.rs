//! Two agents meet: each says what its model is, both find out how they can talk, and a session begins.
//!
//! `cargo run --package avp --example 03_handshake`

use avp::session::json::{Json, JsonLimits};
use avp::session::{
    Hello, ModelIdentity, NewSession, SessionStore, TextMessage, Vocabulary, resolve, tokenizer_hash,
};

fn main() -> avp::Result<()> {
    // 1. An agent's identity comes from its model's config.json and tokenizer.
    let config = r#"{"model_type": "qwen2", "_name_or_path": "org/qwen-0.5b", "hidden_size": 896,
        "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2}"#;
    let mut ours = ModelIdentity::from_config(&Json::parse(config, &JsonLimits::CONFIG)?)?.identity;
    let vocabulary = Vocabulary::from_text(r#"{"a": 0, "b": 1, "ab": 2}"#)?;
    ours.tokenizer_hash = tokenizer_hash(&vocabulary);

    // 2. It goes to the peer as a hello, which is JSON text.
    let hello = Hello { agent_id: "alice".into(), identity: Some(ours.clone()), ..Hello::default() };
    println!("alice says  {}", hello.to_json());

    // 3. The peer answers. It runs a larger model of the same family: other sizes, but the same tokenizer.
    let answer = format!(
        r#"{{"agent_id": "bob", "identity": {{"model_family": "qwen2", "model_hash": "{}", "hidden_dim": 3584,
            "num_layers": 28, "tokenizer_hash": "{}"}}}}"#,
        "b0".repeat(32),
        ours.tokenizer_hash,
    );
    let theirs = Hello::from_text(answer.as_bytes())?.identity.unwrap_or_default();

    // 4. Six rules, the first that holds decides. Here it is the third: project through the shared vocabulary.
    let resolution = resolve(&ours, &theirs, &(), None)?;
    println!("they agree  {} by {}", resolution.mode.as_str(), resolution.path.as_str());
    println!("with map    {}", resolution.avp_map_id);

    // 5. The session is kept under its id for an hour.
    let store = SessionStore::new();
    let new = NewSession::from_resolution("alice", "bob", &resolution);
    let session = store.open(resolution.session_id.clone(), new)?;
    println!("session     {} for {} s", session.id, session.ttl.seconds());

    // 6. An agent whose model has nothing in common can still be talked to, in text.
    let stranger = ModelIdentity { model_family: "mamba".into(), ..ModelIdentity::default() };
    let resolution = resolve(&ours, &stranger, &(), None)?;
    let message = TextMessage {
        session_id: resolution.session_id.to_string(),
        source_agent_id: "alice".into(),
        target_agent_id: "carol".into(),
        content: "Let us use words.".into(),
        ..TextMessage::default()
    };
    println!("and carol   {} by {}: {}", resolution.mode.as_str(), resolution.path.as_str(), message.content);
    Ok(())
}
