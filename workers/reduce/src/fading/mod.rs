//! Labels and dates → each topic's share over time, its fade with an interval, its status and its rank.
//!
//! [`TimelineBuilder`] counts documents per topic and period and finds the last complete period; [`measure`] turns the
//! [`Timeline`] into one [`Change`] per topic; [`fading_order`] and [`emerging_order`] rank them. Share is what counts
//! throughout, never a raw count. Everything is a pure function of the counts and the seed: neither the number of
//! threads nor the order of the documents shows in the result. Names of topics, tables and pages are left to others.

mod burstiness;
mod change;
mod distributions;
mod ending;
mod evidence;
mod interval;
mod period;
#[cfg(test)]
mod simulation;
mod timeline;
mod trend;
mod window;

pub use change::{Change, Settings, emerging_order, fading_order, measure};
pub use period::Period;
pub use timeline::{Timeline, TimelineBuilder, TimelineError};
