//! Text and figures → markup, so that text can never become markup.
//!
//! Invariant: a [`Markup`] is built from literals of this program ([`markup!`]) and from values that were escaped on the
//! way in; there is no other way to make one. Hidden characters are shown as symbols in a span of their own.

use std::borrow::Cow;
use std::fmt::{self, Display};

use super::super::visible::{self, Piece};

/// A piece of a page that is safe to send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Markup(String);

/// What can stand in a page: markup as it is, everything else escaped.
pub(super) trait ToMarkup {
    /// Turns the value into markup.
    fn to_markup(&self) -> Cow<'_, str>;
}

/// Fills the holes of a literal with values that are escaped unless they are markup.
///
/// `concat!` keeps names out of the holes (`{name}`), which would pass by the escaping.
macro_rules! markup {
    ($literal:literal $(, $value:expr)* $(,)?) => {
        $crate::report::page::markup::Markup::from_escaped(format!(
            concat!($literal) $(, $crate::report::page::markup::ToMarkup::to_markup(&$value))*
        ))
    };
}
pub(super) use markup;

impl Markup {
    /// Takes what [`markup!`] has escaped; to be called by nothing else.
    pub(super) fn from_escaped(markup: String) -> Self {
        Self(markup)
    }

    /// Joins pieces.
    pub(super) fn join(pieces: impl IntoIterator<Item = Self>) -> Self {
        Self(pieces.into_iter().map(|piece| piece.0).collect())
    }

    /// Tells whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends the building.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl ToMarkup for Markup {
    fn to_markup(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }
}

impl ToMarkup for str {
    fn to_markup(&self) -> Cow<'_, str> {
        let written = visible::pieces(self).into_iter().map(|piece| match piece {
            Piece::Plain(text) => escape(text).into_owned(),
            Piece::Symbol(symbol) => format!("<span class=\"hidden\">{symbol}</span>"),
        });
        Cow::Owned(written.collect())
    }
}

impl ToMarkup for String {
    fn to_markup(&self) -> Cow<'_, str> {
        self.as_str().to_markup()
    }
}

impl<T: ToMarkup + ?Sized> ToMarkup for &T {
    fn to_markup(&self) -> Cow<'_, str> {
        (**self).to_markup()
    }
}

impl<T: ToMarkup> ToMarkup for Option<T> {
    fn to_markup(&self) -> Cow<'_, str> {
        self.as_ref().map_or(Cow::Borrowed(""), ToMarkup::to_markup)
    }
}

/// Text in the value of an attribute, between double quotes.
pub(super) struct Attribute<'a>(pub(super) &'a str);

impl ToMarkup for Attribute<'_> {
    fn to_markup(&self) -> Cow<'_, str> {
        Cow::Owned(escape(&visible::plain(self.0)).into_owned())
    }
}

/// A number, or another value whose text needs no escaping because it is digits.
pub(super) struct Figure<T>(pub(super) T);

impl<T: Display> ToMarkup for Figure<T> {
    fn to_markup(&self) -> Cow<'_, str> {
        Cow::Owned(escape(&self.0.to_string()).into_owned())
    }
}

impl Display for Markup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().map(|character| match character {
        '&' => Cow::Borrowed("&amp;"),
        '<' => Cow::Borrowed("&lt;"),
        '>' => Cow::Borrowed("&gt;"),
        '"' => Cow::Borrowed("&quot;"),
        '\'' => Cow::Borrowed("&#39;"),
        other => Cow::Owned(other.to_string()),
    });
    Cow::Owned(escaped.collect())
}

/// Shows foreign text in its own direction, apart from what surrounds it, cut where it is longer than `most` characters.
pub(super) fn foreign(text: &str, most: usize) -> Markup {
    markup!("<bdi>{}</bdi>", visible::cut(text, most).as_ref())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a browser would read as text.
    fn unescaped(markup: &str) -> String {
        let text = markup.replace("<span class=\"hidden\">", "").replace("</span>", "");
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
            .iter()
            .fold(text, |text, (entity, character)| text.replace(entity, character))
    }

    #[test]
    fn tags_quotes_and_hidden_characters_are_shown() {
        let text = markup!("<p title=\"{}\">{}</p>", Attribute("\"><b>\u{202e}"), "<script>\u{1b}'&");
        let expected =
            "<p title=\"&quot;&gt;&lt;b&gt;⟨U+202E⟩\">&lt;script&gt;<span class=\"hidden\">⟨ESC⟩</span>&#39;&amp;</p>";
        assert_eq!(text.to_string(), expected);
    }

    #[test]
    fn markup_is_not_escaped_twice() {
        assert_eq!(markup!("<b>{}</b>", markup!("<i>{}</i>", "&")).to_string(), "<b><i>&amp;</i></b>");
        assert_eq!(foreign("abcdef", 3).to_string(), "<bdi>abc…</bdi>");
    }

    proptest! {
        #[test]
        fn text_stays_text(text in "(?s)([<>&\"'`=/!-]|script|\\{\\}|.){0,60}") {
            let escaped = markup!("{}", text).into_string();
            prop_assert_eq!(unescaped(&escaped), visible::plain(&text));
            let spans = escaped.matches("<span class=\"hidden\">").count();
            prop_assert_eq!(escaped.matches(['<', '>']).count(), spans * 4);
            let attribute = markup!("{}", Attribute(&text)).into_string();
            prop_assert!(!attribute.contains(['<', '>', '"', '\'']));
        }
    }
}
