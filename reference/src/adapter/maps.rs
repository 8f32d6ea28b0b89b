//! Projection maps: made, named, kept, found, read.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refusal};
use super::request::{Request, invalid};
use super::rows::{Rows, id_bytes, ids, with_rows};
use crate::error::{Error, Result as Done};
use crate::session::json::{Json, JsonLimits};
use crate::session::{ModelIdentity, ProjectionMethod, Vocabulary, model_hash_of_text, resolve};
use crate::transfer::{
    CalibratedModel, MapModel, MapRegistry, ProjectionMap, SharedTokens, calibrate as make,
};

/// A map without its tensors, as it stands in a request.
#[derive(Deserialize)]
struct MapFields {
    source_model_id: String,
    source_hash: String,
    source_dim: usize,
    target_model_id: String,
    target_hash: String,
    target_dim: usize,
    method: String,
    target_norm: f64,
    #[serde(default)]
    anchor_count: u64,
    #[serde(default)]
    validation_score: f64,
    #[serde(default)]
    overlap_count: u64,
    #[serde(default)]
    overlap_ratio: f64,
}

impl MapFields {
    fn with_parts(self, request: &Request<'_>) -> Result<ProjectionMap, Refusal> {
        let has = |name: &str| request.parts().iter().any(|part| part.name == name);
        let shared = match has("src_indices") || has("tgt_indices") {
            true => Some(SharedTokens {
                source_ids: ids(request, "src_indices")?,
                target_ids: ids(request, "tgt_indices")?,
            }),
            false => None,
        };
        let w_map = Rows::of(request, "w_map")?;
        if w_map.dim != self.target_dim {
            let (expected, found) = (format!("rows of {} values", self.target_dim), w_map.dim.to_string());
            return Err(Error::new(crate::ErrorClass::ShapeMismatch, "w_map", expected, found).into());
        }
        Ok(ProjectionMap {
            source: MapModel { model_id: self.source_model_id, hash: self.source_hash, dim: self.source_dim },
            target: MapModel { model_id: self.target_model_id, hash: self.target_hash, dim: self.target_dim },
            method: ProjectionMethod::from_name(&self.method, request.dialect)?,
            w_map: w_map.values,
            bias: has("bias").then(|| Rows::of(request, "bias").map(|bias| bias.values)).transpose()?,
            target_norm: self.target_norm as f32,
            anchor_count: self.anchor_count,
            validation_score: self.validation_score,
            shared,
            overlap_count: self.overlap_count,
            overlap_ratio: self.overlap_ratio,
        })
    }
}

/// A map in an answer: its fields, and its tensors as parts.
fn with_map<'a>(mut ok: Value, map: &ProjectionMap) -> Done<Answer<'a>> {
    ok["map"] = json!({
        "source_model_id": map.source.model_id,
        "source_hash": map.source.hash,
        "source_dim": map.source.dim,
        "target_model_id": map.target.model_id,
        "target_hash": map.target.hash,
        "target_dim": map.target.dim,
        "method": map.method.as_str(),
        "target_norm": map.target_norm,
        "anchor_count": map.anchor_count,
        "validation_score": map.validation_score,
        "overlap_count": map.overlap_count,
        "overlap_ratio": map.overlap_ratio,
    });
    let dim = map.target.dim as u64;
    let rows = map.w_map.len() as u64 / dim.max(1);
    let mut answer = with_rows(Answer::new(ok), "w_map", &[rows, dim], &map.w_map)?;
    if let Some(bias) = &map.bias {
        answer = with_rows(answer, "bias", &[dim], bias)?;
    }
    let shared = map
        .shared
        .iter()
        .flat_map(|shared| [("src_indices", &shared.source_ids), ("tgt_indices", &shared.target_ids)]);
    Ok(shared
        .fold(answer, |answer, (name, ids)| answer.tensor(name, "u32", &[ids.len() as u64], id_bytes(ids))))
}

/// The registry under a value of `AVP_CACHE_DIR`.
pub(super) fn registry(cache_dir: &Path) -> Done<MapRegistry> {
    MapRegistry::located(Some(cache_dir.into()), None)
}

#[derive(Deserialize)]
struct Side<'a> {
    model_id: String,
    #[serde(borrow)]
    config: &'a RawValue,
    #[serde(borrow)]
    vocab: &'a RawValue,
}

impl<'a> Side<'a> {
    fn model(&self) -> Done<MapModel> {
        let config = self.config.get();
        let identity = ModelIdentity::from_config(&Json::parse(config, &JsonLimits::CONFIG)?)?.identity;
        Ok(MapModel {
            model_id: self.model_id.clone(),
            hash: model_hash_of_text::<&str>(config, &[])?,
            dim: identity.hidden_dim as usize,
        })
    }

    fn vocabulary(&self) -> Done<Vocabulary<'a>> {
        Vocabulary::from_text(self.vocab.get())
    }
}

#[derive(Deserialize)]
struct Calibrate<'a> {
    #[serde(borrow)]
    source: Side<'a>,
    #[serde(borrow)]
    target: Side<'a>,
    cache_dir: PathBuf,
    #[serde(default)]
    auto_save: Option<bool>,
}

pub(super) fn calibrate<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Calibrate<'a> = request.args()?;
    let (source, target) = (args.source.vocabulary()?, args.target.vocabulary()?);
    let source = CalibratedModel { model: args.source.model()?, vocabulary: &source };
    let target = CalibratedModel { model: args.target.model()?, vocabulary: &target };
    let embedding = Rows::of(request, "tgt_embed")?;
    if embedding.dim != target.model.dim {
        let (expected, found) = (format!("rows of {} values", target.model.dim), embedding.dim.to_string());
        return Err(invalid("tgt_embed", expected, found).into());
    }
    let map = make(&source, &target, &embedding.values)?;
    let mut ok = json!({"saved": false, "warnings": []});
    if args.auto_save.unwrap_or(true) {
        // A map that is not kept is a map all the same (AVP-MAP-009).
        match registry(&args.cache_dir)?.save(&map) {
            Ok(_) => ok["saved"] = true.into(),
            Err(error) => ok["warnings"] = json!([error.to_string()]),
        }
    }
    Ok(with_map(ok, &map)?)
}

#[derive(Deserialize)]
struct Pair {
    source_hash: String,
    target_hash: String,
}

pub(super) fn map_id<'a>(request: &Request<'a>) -> Outcome<'a> {
    let pair: Pair = request.args()?;
    Ok(Answer::new(json!({"id": resolve::map_id(&pair.source_hash, &pair.target_hash)})))
}

#[derive(Deserialize)]
struct Save {
    cache_dir: PathBuf,
    map: MapFields,
}

pub(super) fn map_save<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Save = request.args()?;
    let path = registry(&args.cache_dir)?.save(&args.map.with_parts(request)?)?;
    Ok(Answer::new(json!({"file": file_name(&path)})))
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

#[derive(Deserialize)]
struct Find {
    cache_dir: PathBuf,
    #[serde(flatten)]
    pair: Pair,
}

pub(super) fn map_find<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Find = request.args()?;
    let found = registry(&args.cache_dir)?.find(&args.pair.source_hash, &args.pair.target_hash)?;
    Ok(Answer::new(json!({"file": found.as_deref().and_then(file_name)})))
}

pub(super) fn map_load<'a>(request: &Request<'a>) -> Outcome<'a> {
    let args: Find = request.args()?;
    let found = registry(&args.cache_dir)?.load(&args.pair.source_hash, &args.pair.target_hash)?;
    Ok(match found {
        Some(map) => with_map(json!({}), &map)?,
        None => Answer::new(json!({"map": null})),
    })
}

pub(super) fn map_import<'a>(request: &Request<'a>) -> Outcome<'a> {
    Ok(with_map(json!({}), &ProjectionMap::from_pt(request.part("pt")?.bytes)?)?)
}
