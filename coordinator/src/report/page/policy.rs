//! Styles and script → the policy under which a browser shows the page.
//!
//! Nothing may be loaded, and of scripts and styles only those whose sha256 the policy names: should text from the corpus
//! ever become markup, a browser would still not run it. Source: W3C, Content Security Policy Level 3, section 8.3.

use sha2::{Digest, Sha256};

/// Returns the value of `Content-Security-Policy` for a page with exactly this style and this script.
pub(super) fn policy(style: &str, script: &str) -> String {
    format!(
        "default-src &#39;none&#39;; style-src &#39;{}&#39;; script-src &#39;{}&#39;; img-src data:; base-uri &#39;none&#39;; form-action &#39;none&#39;",
        source(style),
        source(script)
    )
}

fn source(text: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(text.as_bytes())))
}

/// Encodes bytes as RFC 4648, section 4, describes.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| -> String {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        let digit = |at: usize| char::from(DIGITS[(bits >> (18 - 6 * at)) as usize & 63]);
        (0..4).map(|at| if at <= group.len() { digit(at) } else { '=' }).collect()
    };
    bytes.chunks(3).map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_encoded_as_the_rfc_shows() {
        let encoded: Vec<String> =
            ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes())).into();
        assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn a_script_is_named_by_its_digest() {
        // printf %s 'doSomething();' | openssl dgst -sha256 -binary | openssl base64
        assert!(
            policy("", "doSomething();")
                .contains("script-src &#39;sha256-RFWPLDbv2BY+rCkDzsE+0fr8ylGr2R2faWMhq4lfEQc=&#39;")
        );
    }
}
