//! A store's error → the same error without what a server repeats of the request.
//!
//! S3 answers a request whose signature is wrong with the very text that it would have signed, in which the session's
//! token stands; none of that helps whoever reads the message.

use object_store::Error;

/// The elements of an answer that repeat the request.
const ELEMENTS: [&str; 4] = ["CanonicalRequest", "CanonicalRequestBytes", "StringToSign", "StringToSignBytes"];

/// The headers that hold secrets, in case that something else repeats them.
const HEADERS: [&str; 2] = ["x-amz-security-token", "x-amz-server-side-encryption-customer-key"];

/// What an error says, and no more.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Redacted(String);

/// Returns `error`, or one of its kind with a shorter text where it repeats a request.
pub(super) fn redact(error: Error) -> Error {
    if !repeats_request(&format!("{error:?}")) {
        return error;
    }
    let source = Box::new(Redacted(without_request(&longest(&error))));
    match error {
        Error::PermissionDenied { path, .. } => Error::PermissionDenied { path, source },
        Error::Unauthenticated { path, .. } => Error::Unauthenticated { path, source },
        Error::NotFound { path, .. } => Error::NotFound { path, source },
        Error::AlreadyExists { path, .. } => Error::AlreadyExists { path, source },
        Error::Precondition { path, .. } => Error::Precondition { path, source },
        _ => Error::Generic { store: "S3", source },
    }
}

fn repeats_request(text: &str) -> bool {
    ELEMENTS.iter().any(|element| text.contains(&format!("<{element}>"))) || header(text).is_some()
}

/// Returns where the first header that holds a secret begins.
fn header(text: &str) -> Option<usize> {
    let lower_case = text.to_ascii_lowercase();
    HEADERS.iter().filter_map(|header| lower_case.find(header)).min()
}

/// Returns the text among the causes that says most: they repeat each other.
fn longest(error: &Error) -> String {
    let first: &dyn std::error::Error = error;
    let causes = std::iter::successors(first.source(), |cause| cause.source());
    causes.map(ToString::to_string).max_by_key(String::len).unwrap_or_else(|| error.to_string())
}

fn without_request(text: &str) -> String {
    let shown = ELEMENTS.iter().fold(text.to_owned(), |text, element| without_element(&text, element));
    match header(&shown) {
        Some(place) => format!("{}… (what the server repeats of the request is left out)", &shown[..place]),
        None => shown,
    }
}

/// Takes what stands between `<element>` and `</element>`, or the end of a text that was cut.
fn without_element(text: &str, element: &str) -> String {
    let (opening, closing) = (format!("<{element}>"), format!("</{element}>"));
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, within)) = rest.split_once(&opening) {
        shown.push_str(before);
        rest = within.split_once(&closing).map_or("", |(_, after)| after);
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(text: &str) -> Error {
        Error::PermissionDenied { path: "a".into(), source: text.into() }
    }

    #[test]
    fn what_repeats_the_request_is_left_out_and_the_rest_stays() {
        let text = "403: <Code>SignatureDoesNotMatch</Code><StringToSign>hidden</StringToSign><CanonicalRequest>hidden\n\
                    </CanonicalRequest><RequestId>7</RequestId><CanonicalRequestBytes>68 69 hidden";
        let error = redact(denied(text));
        assert!(matches!(&error, Error::PermissionDenied { .. }));
        let said = format!("{error} {error:?}");
        assert!(said.contains("SignatureDoesNotMatch") && said.contains("<RequestId>7") && !said.contains("hidden"));
        let said = redact(denied("of headers X-Amz-Security-Token: hidden")).to_string();
        assert!(said.contains("of headers") && !said.contains("hidden"), "{said}");
    }

    #[test]
    fn other_errors_stay_as_they_are() {
        let error = redact(denied("403: <Code>AccessDenied</Code>"));
        let source = std::error::Error::source(&error).unwrap();
        assert!(source.downcast_ref::<Redacted>().is_none() && error.to_string().contains("AccessDenied"));
    }
}
