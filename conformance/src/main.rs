//! `avp-conformance`.

fn main() {
    println!("{}", avp_conformance::case::Spec::V04.as_str());
}
