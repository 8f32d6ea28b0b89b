//! The frame of a page that needs nothing else.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

/// Everything before what the body holds. A policy in the page allows its own style and script by their sums and nothing
/// else, so that markup that slipped through could still not run. `title` is escaped already.
pub(crate) fn open(title: &str, style: &str, script: &str) -> String {
    let sum = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; \
         script-src 'sha256-{}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
         <style>{style}</style>\n</head>\n<body>\n",
        sum(style),
        sum(script)
    )
}

/// Everything after what `main` holds.
pub(crate) fn close(script: &str) -> String {
    format!("</main>\n<script>{script}</script>\n</body>\n</html>\n")
}
