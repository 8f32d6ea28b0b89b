//! Run files that come with the program.

/// By name: quick ones, those of a small language model, and one or more for each published table that models make. Table T10 is
/// the configuration, which the others have; the codec's sizes and times are `cargo bench -p avp --bench codec`.
pub const RUNS: [(&str, &str); 30] = [
    ("pocket-quick", include_str!("../../runs/pocket-quick.yaml")),
    ("smollm2-relay", include_str!("../../runs/smollm2-relay.yaml")),
    ("smollm2-text", include_str!("../../runs/smollm2-text.yaml")),
    ("smollm2-gsm8k", include_str!("../../runs/smollm2-gsm8k.yaml")),
    ("smollm2-humaneval", include_str!("../../runs/smollm2-humaneval.yaml")),
    ("smollm2-hotpotqa", include_str!("../../runs/smollm2-hotpotqa.yaml")),
    ("t1-humaneval-llama3.2-3b", include_str!("../../runs/t1-humaneval-llama3.2-3b.yaml")),
    ("t1-humaneval-qwen2.5-7b", include_str!("../../runs/t1-humaneval-qwen2.5-7b.yaml")),
    ("t1-humaneval-qwen2.5-7b-seeds", include_str!("../../runs/t1-humaneval-qwen2.5-7b-seeds.yaml")),
    ("t2-gsm8k-llama3.2-3b", include_str!("../../runs/t2-gsm8k-llama3.2-3b.yaml")),
    ("t2-gsm8k-qwen2.5-7b", include_str!("../../runs/t2-gsm8k-qwen2.5-7b.yaml")),
    ("t3-debugbench-llama3.2-3b", include_str!("../../runs/t3-debugbench-llama3.2-3b.yaml")),
    ("t3-debugbench-qwen2.5-7b", include_str!("../../runs/t3-debugbench-qwen2.5-7b.yaml")),
    ("t4-hotpotqa-qwen2.5-7b", include_str!("../../runs/t4-hotpotqa-qwen2.5-7b.yaml")),
    ("t5-gsm8k-4agent-qwen2.5-7b", include_str!("../../runs/t5-gsm8k-4agent-qwen2.5-7b.yaml")),
    ("t5-gsm8k-fanout-qwen2.5-7b", include_str!("../../runs/t5-gsm8k-fanout-qwen2.5-7b.yaml")),
    (
        "t6-debugbench-llama3.2-3b-to-qwen2.5-7b",
        include_str!("../../runs/t6-debugbench-llama3.2-3b-to-qwen2.5-7b.yaml"),
    ),
    (
        "t6-debugbench-qwen2.5-7b-to-llama3.2-3b",
        include_str!("../../runs/t6-debugbench-qwen2.5-7b-to-llama3.2-3b.yaml"),
    ),
    (
        "t6-debugbench-qwen2.5-7b-to-qwen2.5-1.5b",
        include_str!("../../runs/t6-debugbench-qwen2.5-7b-to-qwen2.5-1.5b.yaml"),
    ),
    (
        "t6-debugbench-qwen2.5-7b-to-qwen2.5-3b",
        include_str!("../../runs/t6-debugbench-qwen2.5-7b-to-qwen2.5-3b.yaml"),
    ),
    (
        "t6-gsm8k-llama3.2-3b-to-qwen2.5-7b",
        include_str!("../../runs/t6-gsm8k-llama3.2-3b-to-qwen2.5-7b.yaml"),
    ),
    (
        "t6-gsm8k-qwen2.5-7b-to-llama3.2-3b",
        include_str!("../../runs/t6-gsm8k-qwen2.5-7b-to-llama3.2-3b.yaml"),
    ),
    (
        "t6-gsm8k-qwen2.5-7b-to-qwen2.5-1.5b",
        include_str!("../../runs/t6-gsm8k-qwen2.5-7b-to-qwen2.5-1.5b.yaml"),
    ),
    ("t6-gsm8k-qwen2.5-7b-to-qwen2.5-3b", include_str!("../../runs/t6-gsm8k-qwen2.5-7b-to-qwen2.5-3b.yaml")),
    (
        "t6-humaneval-llama3.2-3b-to-qwen2.5-7b",
        include_str!("../../runs/t6-humaneval-llama3.2-3b-to-qwen2.5-7b.yaml"),
    ),
    (
        "t6-humaneval-qwen2.5-7b-to-llama3.2-3b",
        include_str!("../../runs/t6-humaneval-qwen2.5-7b-to-llama3.2-3b.yaml"),
    ),
    (
        "t6-humaneval-qwen2.5-7b-to-qwen2.5-1.5b",
        include_str!("../../runs/t6-humaneval-qwen2.5-7b-to-qwen2.5-1.5b.yaml"),
    ),
    (
        "t6-humaneval-qwen2.5-7b-to-qwen2.5-3b",
        include_str!("../../runs/t6-humaneval-qwen2.5-7b-to-qwen2.5-3b.yaml"),
    ),
    ("t8-math500-qwen2.5-7b", include_str!("../../runs/t8-math500-qwen2.5-7b.yaml")),
    ("t9-steps-qwen2.5-7b", include_str!("../../runs/t9-steps-qwen2.5-7b.yaml")),
];
