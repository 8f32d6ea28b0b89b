//! TRAINED → FOLDER: a model as Hugging Face's libraries and this project's runtime read it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::Tensor;
use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use super::decoder::{NORM_EPS, ROPE_THETA};
use super::error::{Error, Result, at};
use super::recipe::Shape;
use super::tokenizer::{CHAT_TEMPLATE, END, PAD};
use super::trainer::{Backend, Trained};

/// Stored element type: half the size of f32, and with eleven bits of mantissa closer to the trained weights than bf16.
const STORED: Dtype = Dtype::F16;

/// Writes config.json, generation_config.json, tokenizer.json, tokenizer_config.json and model.safetensors.
///
/// # Errors
/// Files that cannot be written, and weights beyond what f16 holds.
pub fn export(trained: &Trained, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    let id = |token: &str| {
        trained
            .tokenizer
            .token_to_id(token)
            .ok_or_else(|| Error::Tokenizer(format!("expected {token}, found none")))
    };
    let (end, pad) = (id(END)?, id(PAD)?);
    let shape = &trained.recipe.shape;
    let vocab_size = trained.tokenizer.get_vocab_size(true);
    write_json(folder, "config.json", &config(shape, vocab_size, end, pad))?;
    write_json(
        folder,
        "generation_config.json",
        &json!({"do_sample": false, "eos_token_id": end, "pad_token_id": pad}),
    )?;
    write_json(
        folder,
        "tokenizer_config.json",
        &json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": shape.max_positions,
            "eos_token": END,
            "pad_token": PAD,
            "clean_up_tokenization_spaces": false,
            "chat_template": CHAT_TEMPLATE,
        }),
    )?;
    let path = folder.join("tokenizer.json");
    trained.tokenizer.save(&path, true).map_err(|error| Error::Tokenizer(error.to_string()))?;
    let path = folder.join("model.safetensors");
    fs::write(&path, weights(trained)?).map_err(at(&path))
}

fn write_json(folder: &Path, name: &str, value: &Value) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, format!("{value:#}\n")).map_err(at(&path))
}

fn config(shape: &Shape, vocab_size: usize, end: u32, pad: u32) -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": shape.hidden_size,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "intermediate_size": shape.intermediate_size,
        "vocab_size": vocab_size,
        "max_position_embeddings": shape.max_positions,
        "rms_norm_eps": NORM_EPS,
        "rope_theta": ROPE_THETA,
        "hidden_act": "silu",
        "attention_bias": false,
        "mlp_bias": false,
        "attention_dropout": 0.0,
        "tie_word_embeddings": shape.tied,
        "bos_token_id": null,
        "eos_token_id": end,
        "pad_token_id": pad,
        "torch_dtype": "float16",
    })
}

/// The bytes of model.safetensors, under the names of a Llama checkpoint.
fn weights(trained: &Trained) -> Result<Vec<u8>> {
    let decoder = &trained.decoder;
    let mut tensors = BTreeMap::new();
    let mut put = |name: String, tensor: (Vec<usize>, Vec<u8>)| tensors.insert(name, tensor);
    put("model.embed_tokens.weight".into(), stored("embed_tokens", decoder.embeddings.val())?);
    put("model.norm.weight".into(), stored("norm", decoder.norm.val())?);
    if let Some(head) = &decoder.head {
        put("lm_head.weight".into(), stored("lm_head", head.val())?);
    }
    for (i, block) in decoder.blocks.iter().enumerate() {
        let vectors =
            [("input_layernorm", &block.attention_norm), ("post_attention_layernorm", &block.mlp_norm)];
        for (part, vector) in vectors {
            put(format!("model.layers.{i}.{part}.weight"), stored(part, vector.val())?);
        }
        let matrices = [
            ("self_attn.q_proj", &block.query),
            ("self_attn.k_proj", &block.key),
            ("self_attn.v_proj", &block.value),
            ("self_attn.o_proj", &block.output),
            ("mlp.gate_proj", &block.gate),
            ("mlp.up_proj", &block.up),
            ("mlp.down_proj", &block.down),
        ];
        for (part, matrix) in matrices {
            put(format!("model.layers.{i}.{part}.weight"), stored(part, matrix.val())?);
        }
    }
    let library = |error: safetensors::SafeTensorError| Error::Engine(error.to_string());
    let views = tensors
        .iter()
        .map(|(name, (shape, bytes))| Ok((name, TensorView::new(STORED, shape.clone(), bytes)?)))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(library)?;
    // Readers of the format ask for it.
    let about = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(views, Some(about)).map_err(library)
}

fn stored<const D: usize>(name: &str, tensor: Tensor<Backend, D>) -> Result<(Vec<usize>, Vec<u8>)> {
    let shape = tensor.dims().to_vec();
    let data = tensor.into_data().convert::<f32>();
    let values = data.into_vec::<f32>().map_err(|error| Error::Engine(format!("{error:?}")))?;
    let mut bytes = Vec::with_capacity(values.len() * 2);
    for value in values {
        let narrow = f16::from_f32(value);
        if !narrow.is_finite() {
            return Err(Error::Engine(format!("{name}: expected weights that f16 holds, found {value}")));
        }
        bytes.extend(narrow.to_le_bytes());
    }
    Ok((shape, bytes))
}
