//! Goes through a schedule line by line: hands each line on and enters what it is in the truth.
//!
//! Invariant: every line handed on is counted once, as a row, as refused or as blank; memory holds one line and the truth.

use serde_json::Value;

use super::calendar::Calendar;
use super::draw::{Draw, Purpose};
use super::line::{Form, Line};
use super::loners::LONERS;
use super::plan::Plan;
use super::prose::{self, Article};
use super::refused::{Fault, spoiled};
use super::schedule::{Insert, Role, Schedule};
use super::topic::Fate;
use super::topics::TOPICS;
use super::truth::{PlantedCopy, PlantedLoner, PlantedRefusal, PlantedTopic, RefusalKind, Truth};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const BLANK_LINES: [&[u8]; 4] = [b"", b"   ", b"\r", b"\t "];
/// Integer ids start here, so that they are never taken for row numbers.
const FIRST_INTEGER_ID: u64 = 90_000_000;

/// Hands every line of a checked plan's corpus on, without its line feed, and returns the truth about all of them.
///
/// # Errors
/// The first error of `take`, at which the corpus breaks off.
pub(super) fn record<E>(plan: &Plan, mut take: impl FnMut(Vec<u8>) -> Result<(), E>) -> Result<Truth, E> {
    let calendar = Calendar::new(plan.documents, plan.seed, plan.first_year, plan.until);
    let schedule = Schedule::new(plan, &calendar);
    let truth = blank_truth(plan, &calendar, &schedule);
    let mut recorder = Recorder { plan, calendar, schedule, truth };
    for ordinal in 0..plan.documents {
        for line in recorder.inserts_before(ordinal) {
            take(line)?;
        }
        take(recorder.document(ordinal))?;
    }
    for line in recorder.inserts_before(plan.documents) {
        take(line)?;
    }
    Ok(recorder.truth)
}

fn blank_truth(plan: &Plan, calendar: &Calendar, schedule: &Schedule) -> Truth {
    let num_years = calendar.years.len();
    let topics = TOPICS.iter().enumerate().map(|(i, topic)| PlantedTopic {
        name: topic.name.to_owned(),
        category: topic.category.to_owned(),
        fate: if plan.steady { Fate::Holds } else { topic.fate },
        by_year: vec![0; num_years],
        share_ppm: schedule.shares().iter().map(|shares| shares[i]).collect(),
        ids: Vec::new(),
    });
    Truth {
        seed: plan.seed,
        lines: 0,
        rows: 0,
        blank: 0,
        byte_order_mark: !plan.clean,
        crlf: 0,
        dated_by_update: 0,
        until: plan.until.to_string(),
        years: calendar.years.iter().map(|year| year.number).collect(),
        by_year: vec![0; num_years],
        topics: topics.collect(),
        loners: Vec::new(),
        exact_copies: Vec::new(),
        near_copies: Vec::new(),
        dateless: Vec::new(),
        unreadable_dates: Vec::new(),
        untitled: Vec::new(),
        integer_ids: Vec::new(),
        refused: Vec::new(),
    }
}

struct Recorder<'a> {
    plan: &'a Plan,
    calendar: Calendar,
    schedule: Schedule,
    truth: Truth,
}

impl Recorder<'_> {
    fn draw(&self, purpose: Purpose, index: u64) -> Draw {
        Draw::new(self.plan.seed, purpose, index)
    }

    fn role(&self, ordinal: u64) -> Role {
        self.schedule.role(ordinal, self.calendar.year_index(ordinal))
    }

    fn form(&self, ordinal: u64) -> Form {
        let may_be_odd = !self.plan.clean && self.schedule.may_be_odd(ordinal);
        Form::drawn(&mut self.draw(Purpose::Form, ordinal), may_be_odd)
    }

    /// The number within the year, or a plain integer.
    fn id(&self, ordinal: u64) -> String {
        if self.form(ordinal) == Form::IntegerId {
            return (FIRST_INTEGER_ID + ordinal).to_string();
        }
        let year = &self.calendar.years[self.calendar.year_index(ordinal)];
        format!("demo/{}.{:05}", year.number, ordinal - year.ordinals.start + 1)
    }

    fn article(&self, ordinal: u64) -> Article {
        match self.role(ordinal) {
            Role::Ordinary(topic) => prose::compose(&TOPICS[topic], &mut self.draw(Purpose::Text, ordinal)),
            Role::Loner(i) => {
                let loner = &LONERS[i];
                Article { title: loner.title.into(), text: loner.text.into(), category: "misc.GEN".into() }
            }
            Role::ExactCopy(of) => self.article(of),
            Role::NearCopy(of) => prose::retouch(&self.article(of), &mut self.draw(Purpose::Retouch, ordinal)),
        }
    }

    fn line(&self, ordinal: u64) -> Line {
        let (id, created, form) = (self.id(ordinal), self.calendar.instant(ordinal), self.form(ordinal));
        let mut draw = self.draw(Purpose::Authors, ordinal);
        let mut line = Line::new(&id, &self.article(ordinal), created, self.plan.until, &mut draw);
        line.take_form(form, &id, created, &mut draw);
        line
    }

    fn document(&mut self, ordinal: u64) -> Vec<u8> {
        let form = self.form(ordinal);
        let mut bytes = self.line(ordinal).bytes(form);
        if ordinal == 0 && self.truth.byte_order_mark {
            bytes.splice(0..0, BYTE_ORDER_MARK.iter().copied());
        }
        self.truth.lines += 1;
        self.truth.rows += 1;
        self.enter_form(ordinal, form);
        self.enter_role(ordinal, form);
        bytes
    }

    fn enter_form(&mut self, ordinal: u64, form: Form) {
        let id = self.id(ordinal);
        match form {
            Form::UpdateDateOnly => self.truth.dated_by_update += 1,
            Form::IntegerId => self.truth.integer_ids.push(id),
            Form::Dateless => self.truth.dateless.push(id),
            Form::UnreadableDate => self.truth.unreadable_dates.push(id),
            Form::Untitled => self.truth.untitled.push(id),
            Form::CrLf => self.truth.crlf += 1,
            Form::Usual | Form::CategoryList | Form::NoCategories => {}
        }
    }

    fn enter_role(&mut self, ordinal: u64, form: Form) {
        let id = self.id(ordinal);
        let role = self.role(ordinal);
        let topic = match role {
            Role::Ordinary(topic) => Some(topic),
            Role::ExactCopy(of) | Role::NearCopy(of) => match self.role(of) {
                Role::Ordinary(topic) => Some(topic),
                _ => None,
            },
            Role::Loner(_) => None,
        };
        match role {
            Role::Ordinary(_) => {}
            Role::Loner(i) => self.truth.loners.push(PlantedLoner { id: id.clone(), title: LONERS[i].title.into() }),
            Role::ExactCopy(of) => self.truth.exact_copies.push(PlantedCopy { id: id.clone(), of: self.id(of) }),
            Role::NearCopy(of) => self.truth.near_copies.push(PlantedCopy { id: id.clone(), of: self.id(of) }),
        }
        let year = self.calendar.year_index(ordinal);
        let num_dated = u64::from(form.is_dated());
        self.truth.by_year[year] += num_dated;
        if let Some(topic) = topic {
            self.truth.topics[topic].by_year[year] += num_dated;
            self.truth.topics[topic].ids.push(id);
        }
    }

    fn inserts_before(&mut self, ordinal: u64) -> Vec<Vec<u8>> {
        let inserts = self.schedule.inserts_before(ordinal).to_vec();
        inserts.into_iter().map(|insert| self.insert(insert, ordinal)).collect()
    }

    fn insert(&mut self, insert: Insert, before: u64) -> Vec<u8> {
        self.truth.lines += 1;
        match insert {
            Insert::Blank { variant } => {
                self.truth.blank += 1;
                BLANK_LINES[variant % BLANK_LINES.len()].to_vec()
            }
            Insert::Refused { kind, variant } => {
                self.truth.refused.push(PlantedRefusal { line: self.truth.lines, kind });
                self.refused_line(kind, variant, before)
            }
        }
    }

    /// A line about a topic of its year, spoiled; its article is one that no document has.
    fn refused_line(&self, kind: RefusalKind, variant: usize, before: u64) -> Vec<u8> {
        let neighbour = before.min(self.plan.documents - 1);
        let mut draw = self.draw(Purpose::Text, u64::MAX - self.truth.lines);
        let topic = match self.role(neighbour) {
            Role::Ordinary(topic) => topic,
            _ => 0,
        };
        let article = prose::compose(&TOPICS[topic], &mut draw);
        let id = format!("demo/refused.{:05}", self.truth.lines);
        let line = Line::new(&id, &article, self.calendar.instant(neighbour), self.plan.until, &mut draw);
        let earlier_id = self.line(draw.below(before)).id.unwrap_or(Value::Null);
        let too_long_bytes = self.plan.too_long_bytes.unwrap_or_default();
        spoiled(line, &Fault { kind, variant, earlier_id: &earlier_id, too_long_bytes })
    }
}
