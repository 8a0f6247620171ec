//! The two dozen planted topics: what each is called, how its share moves, and the words that it is made of.
//!
//! One file per group of neighbouring sciences. The order here is the order in the truth, so a new topic goes to the end.

mod language;
mod living;
mod machines;
mod matter;
mod medicine;
mod money;
mod past;
mod sky;

use super::topic::Topic;

/// Every topic that can be planted.
pub(super) const TOPICS: [Topic; 24] = [
    machines::LEGGED_ROBOTS,
    machines::SOFT_GRIPPERS,
    machines::PEER_TO_PEER,
    machines::PLASMA_DISPLAYS,
    sky::EXOPLANET_TRANSITS,
    sky::PULSAR_TIMING,
    sky::GALAXY_HALOES,
    living::CORAL_BLEACHING,
    living::WILD_POLLINATORS,
    living::ACID_LAKES,
    medicine::ATRIAL_FIBRILLATION,
    medicine::BARE_METAL_STENTS,
    medicine::GUT_MICROBIOME,
    matter::PEROVSKITE_SOLAR,
    matter::LITHIUM_BATTERIES,
    matter::CARBON_NANOTUBES,
    language::PHRASE_TRANSLATION,
    language::INFANT_LANGUAGE,
    language::ENDANGERED_LANGUAGES,
    money::SPECTRUM_AUCTIONS,
    money::INFLATION_EXPECTATIONS,
    money::VILLAGE_MICROCREDIT,
    past::BRONZE_AGE_POTTERY,
    past::MOUNTAIN_GLACIERS,
];
