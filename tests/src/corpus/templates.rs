//! The sentences that topics share: only their frames, so that nothing in them names a topic.
//!
//! A field in braces is filled by `prose`: `subject`, `method`, `setting` and `unit` stay the same within a document,
//! every other field draws a phrase that the document has not had yet, and numbers are drawn anew. `measure` takes "the".

pub(super) const TITLES: &[&str] = &[
    "{subject}",
    "{subject}",
    "{subject} {setting}",
    "{subject} {setting}",
    "{subject} with {method}",
    "{method} for {subject}",
    "{subject} and {other}",
    "{subject}: lessons from {method}",
    "{method} and {subject} {setting}",
    "A second look at {subject}",
    "On {subject} {setting}",
    "{finding}",
    "{subject}, measured by the {measure}",
    "Limits of {method} for {subject}",
    "When {problem}: {subject}",
];

pub(super) const OPENINGS: &[&str] = &[
    "{problem}, and this is where work on {subject} usually stops.",
    "{subject} would be simpler if it were not a fact that {problem}.",
    "Because {problem}, {subject} called for more than the usual tools.",
    "Little is known about {subject} {setting}, although {problem}.",
    "This work is about {subject}.",
    "We ask what {subject} might owe to {other}.",
    "{problem}.",
    "Interest in {subject} grew with {method}, but {problem}.",
    "Earlier accounts of {subject} disagree, partly since {problem}.",
    "Until recently, work on {subject} took no notice of {other}.",
    "Everyone who has dealt with {subject} knows that {problem}.",
    "Here we turn to {subject} {setting}.",
    "Two difficulties stand in the way: {problem}, and {problem}.",
    "For a decade {method} and {rival} have competed over {subject}.",
    "Does progress on {subject} depend on {other}, or the other way round?",
];

pub(super) const METHODS: &[&str] = &[
    "We combine {method} with {rival}.",
    "Our tool is {method}, checked against {rival}.",
    "Using {method}, we follow the {measure} {setting}.",
    "{method} served to measure the {measure} and the {measure}.",
    "Instead of {rival} we rely on {method} and read the {measure} off directly.",
    "The approach rests on {method} {setting}.",
    "With {method} we could vary one factor at a time, while {rival} provided the baseline.",
    "{method} and {rival} were applied side by side {elsewhere}.",
    "By means of {method}, the {measure} was obtained without touching the rest.",
    "Starting from {rival}, we add {method} and test both {setting}.",
    "A protocol built around {method} was repeated by three groups.",
    "We describe how {method} can be used {setting} and where {rival} would do as well.",
    "Our comparison of {method} and {rival} was laid down before any data came in.",
];

pub(super) const DATA: &[&str] = &[
    "In total {count} {unit} were examined {setting}.",
    "The data cover {count} {unit}, {percent} percent of them {elsewhere}.",
    "We collected {count} {unit} {setting} and set {percent} percent of them aside.",
    "Across {count} {unit}, the {measure} differed by up to {percent} percent.",
    "Measurements {setting} yielded {count} {unit} with a known {measure}.",
    "After exclusions, {count} {unit} remained for the main comparison {setting}.",
    "A first series of {count} {unit} was followed by {count} more {elsewhere}.",
    "The {measure} was recorded for {count} {unit} {setting}.",
    "{count} {unit} were studied {setting}, and {count} served as a control.",
    "Of {count} {unit}, {percent} percent came with a complete record of the {measure}.",
];

pub(super) const RESULTS: &[&str] = &[
    "{finding}, and the {measure} changed by {percent} percent.",
    "We find that {finding}.",
    "The {measure} rose by {percent} percent, whereas {finding} only {elsewhere}.",
    "In {percent} percent of the {unit}, {finding}.",
    "{finding}; moreover, {finding}.",
    "Compared with {rival}, the {measure} was {percent} percent lower.",
    "Most notably, {finding}.",
    "The {measure} explained {percent} percent of the variation in the {measure}.",
    "{finding}, which {rival} alone had not shown.",
    "Contrary to expectation, {finding}.",
    "A gain of {percent} percent in the {measure} went along with a loss in the {measure}.",
    "{finding} {elsewhere}, too.",
    "Once the {measure} was accounted for, {finding}.",
    "Without {method} the {measure} would have been off by {percent} percent.",
];

pub(super) const CLOSINGS: &[&str] = &[
    "This helps where {problem}.",
    "The same reasoning should carry over to {other}.",
    "Whether it holds for {other} remains open.",
    "We conclude that {subject} cannot be understood without {other}.",
    "Future work on {other} may start from the {measure}.",
    "Anyone planning {method} {elsewhere} should watch the {measure} first.",
    "As long as {problem}, some uncertainty about {other} will stay.",
    "It follows that {rival} should have another trial {elsewhere}.",
    "The material is open to those who study {other}.",
    "That puts a bound on the {measure} {elsewhere}.",
];

/// Words that a near copy exchanges; each stands in the frames above.
pub(super) const EXCHANGES: &[(&str, &str)] = &[
    ("examined", "inspected"),
    ("follow", "track"),
    ("studied", "investigated"),
    ("we", "the authors"),
    ("We", "The authors"),
    ("recorded", "noted"),
    ("find", "observe"),
    ("grew", "increased"),
    ("little", "not much"),
    ("percent", "per cent"),
    ("rose", "went up"),
    ("remained", "were left"),
    ("open", "unsettled"),
    ("about", "concerning"),
];

pub(super) const GIVEN_NAMES: &[&str] = &[
    "Ada", "Bela", "Carmen", "Dmitri", "Elin", "Farid", "Grace", "Hiro", "Ines", "Jonas", "Keiko", "Luca", "Mira",
    "Nils", "Olga", "Priya",
];

pub(super) const SURNAMES: &[&str] = &[
    "Abbas",
    "Brandt",
    "Castellanos",
    "Duval",
    "Eriksen",
    "Fontaine",
    "Gruber",
    "Haddad",
    "Ito",
    "Jansen",
    "Kovacs",
    "Lind",
    "Marchetti",
    "Novak",
    "Okafor",
    "Petrov",
    "Quist",
    "Rahman",
    "Santos",
    "Tanaka",
    "Ueda",
    "Varga",
    "Weiss",
    "Zielinski",
];
