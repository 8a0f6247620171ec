//! English words → the part that each may play in a term.
//!
//! The lists hold spellings in lower case. What is common in one corpus alone (`robot` among roboticists) is in no
//! list: the weights find it in the counts. A word of another language is [`Role::Content`]; its function words occur
//! in all topics alike and weigh nothing.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The part that a word may play in a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It may be a term, and stand anywhere in one.
    Content,
    /// It may stand anywhere in a term of several words and is none by itself.
    Weak,
    /// It may stand inside a term, neither first nor last: `degrees of freedom`, `vision-based control`.
    Link,
    /// No term passes it.
    Stop,
}

/// Returns the role of a word given in lower case.
pub(super) fn role(word: &str) -> Role {
    static ROLES: LazyLock<HashMap<&str, Role>> = LazyLock::new(|| {
        let lists = [(WEAK, Role::Weak), (BOILERPLATE, Role::Stop), (FUNCTION_WORDS, Role::Stop), (LINKS, Role::Link)];
        lists.into_iter().flat_map(|(list, role)| list.split_ascii_whitespace().map(move |word| (word, role))).collect()
    });
    ROLES.get(word).copied().unwrap_or_else(|| role_by_form(word))
}

fn role_by_form(word: &str) -> Role {
    match word.len() {
        0..2 => Role::Stop,
        7.. if word.ends_with("ally") => Role::Weak,
        _ => Role::Content,
    }
}

/// Says whether a word (in lower case) only links others.
pub(super) fn is_link(word: &str) -> bool {
    role(word) == Role::Link
}

/// Says whether a term (its words in lower case, joined by spaces) begins with what praises or places a work without
/// naming its subject.
pub(super) fn is_stock_phrase(key: &str) -> bool {
    let begins = |phrase: &&str| key.strip_prefix(*phrase).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    STOCK_PHRASES.iter().any(begins)
}

const STOCK_PHRASES: [&str; 22] = [
    "real time",
    "real world",
    "end to end",
    "low cost",
    "high fidelity",
    "high quality",
    "high performance",
    "high speed",
    "high resolution",
    "high level",
    "low level",
    "long term",
    "large scale",
    "small scale",
    "state of the art",
    "open source",
    "closed loop",
    "closed loop system",
    "provably safe",
    "lessons learned",
    "public dataset",
    "loop system",
];

const LINKS: &str = "of and in to on the based a by";

/// Words of English grammar.
const FUNCTION_WORDS: &str = "\
about above across after again against ago all almost alone along already also although always am among amongst an \
and another any anybody anything anywhere are aren around as aside at away back be became because become becomes been \
before behind being below beside besides best better between beyond both but can cannot cant come could couldn did \
didn do does doesn doing don done down due during each eg eight either else elsewhere enough et etc even ever every \
everything except far few fewer first firstly for former from further furthermore get gets getting give given gives \
go goes gone good got had hadn half has hasn have haven having he hence her here herein hers herself him himself his \
how however hundred ie if instead into is isn it its itself just keep kept know known last later latter least less \
lest let lets like likely little ll made mainly make makes making many may maybe me mean meanwhile might mine more \
moreover most mostly much must my myself namely near nearly neither never nevertheless next nine no nobody none nor \
not nothing now nowadays off often oh ok once one ones only onto or other others otherwise ought our ours ourselves \
out over overall own per perhaps quite rather re really same say says second secondly see seem seems seen seven \
several shall she should shouldn shown since so some somehow something sometimes somewhat soon still such ten than \
that thats their theirs them themselves then thence there thereby therefore therein these they third this those \
though thousand through throughout thus till together too toward towards twice un under unless unlike until up upon \
us use used uses using usual usually various ve versus very via viz vs was wasn we well went were weren what whatever \
when whence whenever where whereas whereby wherein whether which while who whole whom whose why widely will with \
within without won would wouldn yes yet you your yours yourself zero";

/// Words that papers of any science use about themselves.
const BOILERPLATE: &str = "\
able abstract according accordingly achieve achieved achieves achieving acm actual addition additional additionally \
address addressed addresses addressing adopt adopted adopting advance advances advantage advantageous advantages \
aforementioned aim aimed aiming aims allow allowed allowing allows applicable applied applies apply applying approach \
approaches appropriate approximately art article articles arxiv aspect aspects assume assumed assumes attempt \
attempts attention author authors available background basic basically basis believe benefit benefits biographies \
biography brief briefly builds built called capable carried case cases certain challenge challenges challenging \
chapter characteristic characteristics choose chosen clear clearly com commonly community compare compared compares \
comparing comparison complete completely compose composed comprehensive comprise comprised comprises concept concepts \
conclude concluded concludes conclusion conclusions conduct conducted conference conferences confirm confirmed \
confirms consequently consider considerable considerably considered considering considers consist consisting consists \
contain contained containing contains contribute contribution contributions conventional copyright correspond \
corresponding create created crucial current currently deal dealing deals dealt define defined defines demonstrate \
demonstrated demonstrates demonstrating demonstration denote depend depending depends derive derived describe \
described describes describing description designed despite detail detailed details determine determined determines \
determining develop developed developing develops devise devised differ difference differences different difficult \
difficulties difficulty discuss discussed discusses discussing discussion doi easily easy editorial effect effective \
effectively effectiveness efficacy efficient efficiently effort efforts elsevier employ employed employing employs \
enable enabled enables enabling enhance enhanced ensure ensured ensures ensuring entire especially essential \
essentially establish established evaluate evaluated evaluates evaluating excellent exhibit exhibited exhibits exist \
existing exists experiment experimental experimentally experiments explain explained explains explicit explicitly \
exploit exploited exploiting exploits explore explored extend extends extensive extensively extremely fact \
feasibility feasible finally find finding findings finds focus focused focuses focusing follow followed follows form \
formed forms formulate formulated formulates forward found framework frameworks fully fundamental fundamentally \
future general generally generate generated goal goals great greater greatly help helpful helps hereafter highlight \
highly hold http https ieee illustrate illustrated illustrates illustration implement implementation implementations \
implemented implementing implements importance important importantly improve improved improvement improvements \
improves improving inc include included includes including increase increased increases increasing increasingly \
indeed indicate indicated indicates indicating inspired intend intended interest interesting introduce introduced \
introduces introducing introduction investigate investigated investigates investigating investigation involve \
involved involves involving issue issues keynote kind kinds largely latest lead leading leads letter limitation \
limitations limited literature ltd main major manner meet meets mention mentioned merit merits method methodologies \
methodology methods motivate motivated motivation necessary need needed needs new newly notably note notion novel \
novelty numerous obtain obtained obtaining obtains offer offered offers order org organized original outcome outcomes \
outline outperform outperforms outstanding overview paper papers particular particularly past perform performed \
performing performs permit permits play plays pointed possibility possible possibly potential potentially powerful \
practical practically practice preliminary presence present presentation presented presenting presents previous \
previously principle principles problem problems procedure procedures proceedings produce produced produces \
professional promising proper properly properties property propose proposed proposes proposing prove proved proven \
proves provide provided provides providing publication publications published publisher purpose purposes put question \
questions readily realise realised realize realized realizes realizing reason reasonable reasonably recent recently \
reduce reduced reduces reducing refer referred regard regarding regardless relate related relates relatively relevant \
reliable relies rely remain remaining remains remarkable report reported reports represent represented representing \
represents require required requirement requirements requires requiring research researcher researchers reserved \
respect respective respectively result resulted resulting results reveal revealed reveals review reviewed reviews \
rights role roles satisfactory satisfied satisfies satisfy satisfying scheme schemes section sections select selected \
serve serves show showed showing shows significance significant significantly similar similarly simple simply \
situation situations solution solutions solve solved solves solving sort special specific specifically springer start \
started state-of-the-art steps straightforward studied studies study studying subject succeed success successful \
successfully suffer suffers sufficient sufficiently suggest suggested suggests suitable suited summarize summarized \
summary superior superiority supported supports symposium take taken takes taking technique techniques tested tests \
theoretical theoretically thereof think today topic topics traditional try trying turn type types typical typically \
unique university usage useful usefulness utilise utilised utilize utilized utilizes utilizing valid validate \
validated validates validating validation validity valuable value variety verified verifies verify verifying version \
viable want way ways wide work worked working works workshop www year years";

/// Words that say something only beside another.
const WEAK: &str = "\
ability accuracy accurate accurately action actions activities activity advanced algorithm algorithms alternative \
amount analyse analyses analysis analytical analyze analyzed anti application applications approximate approximation \
arbitrary architecture area areas assessment attached auto automated automatic automatically autonomous autonomously \
autonomy average behavior behaviors behaviour behaviours bi big bottom build capabilities capability capacity change \
changes changing choice class classes close closely co combination combine combined combines combining commercial \
common compact complex complexity complicated component components computation computational computationally compute \
computed computer computing condition conditions configuration configurations connected constant constraint \
constraints construct constructed construction content context continuous continuously control controlled controller \
controllers controlling cost costs criteria criterion critical cross data dataset datasets decrease degree degrees \
design designing designs desired detect detected detection development device devices dimension dimensional direct \
direction directions directly distance dynamic dynamical dynamically dynamics early effects element elements end \
engineering environment environmental environments equation equations error errors estimate estimated estimates \
estimating estimation evaluation example examples execute executed execution expected experience expression extended \
external fast faster feature features field fields final five fixed flexible following formulation four freedom \
function functional functions gap generalize generation generic global group groups hard hardware high higher hyper \
ideal identify implicit independent individual industrial industries industry influence information initial input \
inputs integrate integrated integrating integration intelligent inter interaction interactions internal international \
intra key knowledge lab laboratory lack large larger largest learn learned learning length level levels limit limits \
linear local location locations long longer loss low lower machine machines maintain maintaining management manual \
material materials mathematical maximize maximum measure measured measurement measurements measures mechanical meta \
metric metrics micro mini minimal minimize minimizing minimum mode model modeled modeling modelling models modern \
module modules motion motions move movement movements moving multi multiple nano natural nature network networks non \
normal number numbers numerical object objective objectives objects observed omni online open operate operated \
operating operation operations operator optimal optimally optimization optimize optimized output outputs parameter \
parameters part parts people performance performances person phase phenomena physical place plan platform platforms \
point position positions post power pre precise precision predict predicted prediction prior process processes \
processing product production products program project projects pseudo quality quantitative quantitatively quasi \
random range ranges rapid rate rates ratio real reality recognition reference region regions relation relations \
relative reliability representation representations resource resources response responses right robust robustly \
robustness rule rules safe safety sample samples scale scenario scenarios science scientific search selection self \
semi sense sensing separate sequence sequences series service services set sets setting settings shape short side \
signal signals simulate simulated simulation simulations simulator single six size sizes small smaller social society \
software source sources space spaces specification specifications speed stability stable stage stages standard state \
states static statistical step strategies strategy strong structural structure structures student students sub sum \
super support surface surfaces survey synthesis system systematic systems target targets task tasks technical \
technological technologies technology tele term terms test testing theorem theories theory three three-dimensional \
time times tool tools top total track trade trained training transfer true two two-dimensional ultra understand \
understanding unit units unknown update updated user users values variable variables variation variations velocity \
view virtual volume weight world zero";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_play_their_parts() {
        assert_eq!(role("servoing"), Role::Content);
        assert_eq!(role("system"), Role::Weak);
        assert_eq!(role("biologically"), Role::Weak);
        assert_eq!(role("of"), Role::Link);
        assert_eq!(role("proposed"), Role::Stop);
        assert_eq!(role("x"), Role::Stop);
        assert_eq!(role("größe"), Role::Content);
    }
}
