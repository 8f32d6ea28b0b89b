//! Events → text, JSON, JUnit, Markdown.
