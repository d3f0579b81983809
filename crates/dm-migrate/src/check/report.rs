//! The report, as text and as JSON.

use std::fmt::Write as _;

use common::exit::Exit;
use serde::Serialize;

use super::facts::{Facts, RelationFacts};
use super::judgement::{Effect, Target};
use super::script::Judged;
use crate::redact::{StringSyntax, one_line, redact_sql};

/// The version of the JSON document.
const FORMAT: u32 = 1;

/// The verdict on a statement, or on all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Safe,
    NotJudged,
    Unsafe,
}

/// The report on all statements.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    v: u32,
    pub(crate) verdict: Verdict,
    /// How many scripts the version table of the database contains, and were not checked.
    pub(crate) skipped: usize,
    /// What limits the report as a whole, such as that no database was given.
    pub(crate) notes: Vec<String>,
    pub(crate) statements: Vec<StatementReport>,
}

/// The report on one statement.
#[derive(Debug, Serialize)]
pub(crate) struct StatementReport {
    file: String,
    line: usize,
    /// The statement, with masked values.
    statement: String,
    verdict: Verdict,
    locks: Vec<LockReport>,
    findings: Vec<FindingReport>,
    not_judged: Vec<String>,
    notes: Vec<String>,
    /// The rules that a comment accepts.
    allowed: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct LockReport {
    /// `None` for the table of an index that the database does not know.
    table: Option<String>,
    index: Option<String>,
    mode: &'static str,
    /// `scan`, `index build` or `rewrite`, while the lock is held.
    work: Option<&'static str>,
    bytes: Option<u64>,
    rows: Option<u64>,
    #[serde(skip)]
    blocks: &'static str,
}

#[derive(Debug, Serialize)]
struct FindingReport {
    rule: &'static str,
    because: String,
    instead: &'static str,
    source: &'static str,
}

impl StatementReport {
    /// The report on a statement of `file`.
    pub(crate) fn new(file: &str, judged: Judged, facts: &Facts) -> Self {
        let judgement = judged.judgement;
        let verdict = match (judgement.findings.is_empty(), judgement.unknown.is_empty()) {
            (false, _) => Verdict::Unsafe,
            (true, false) => Verdict::NotJudged,
            (true, true) => Verdict::Safe,
        };
        let finding = |finding: super::judgement::Finding| {
            let about = finding.rule.about();
            let because = one_line(&finding.because);
            FindingReport { rule: about.id, because, instead: about.instead, source: about.source }
        };
        Self {
            file: one_line(file),
            line: judged.line,
            statement: redact_sql(&judged.text, StringSyntax::Standard),
            verdict,
            locks: judgement.effects.iter().map(|effect| LockReport::new(effect, facts)).collect(),
            findings: judgement.findings.into_iter().map(finding).collect(),
            not_judged: judgement.unknown.iter().map(|reason| one_line(reason)).collect(),
            notes: judgement.notes,
            allowed: judged.allowed,
        }
    }
}

impl LockReport {
    fn new(effect: &Effect, facts: &Facts) -> Self {
        let named = effect.target.named();
        let (table, index) = match &effect.target {
            Target::Relation(table) => (Some(table.clone()), None),
            Target::TableOf(index) => (
                facts.relation(index).and_then(|facts| facts.table.clone()),
                Some(one_line(&named.to_string())),
            ),
        };
        let known: Option<&RelationFacts> = table.as_ref().and_then(|table| facts.relation(table));
        Self {
            table: table.map(|table| one_line(&table.to_string())),
            index,
            mode: effect.mode.name(),
            work: effect.work.verb(),
            bytes: known.and_then(|facts| facts.bytes),
            rows: known.and_then(|facts| facts.rows),
            blocks: effect.mode.blocks(),
        }
    }

    fn describe(&self) -> String {
        let table = match (&self.table, &self.index) {
            (Some(table), _) => table.clone(),
            (None, Some(index)) => format!("the table of {index}"),
            (None, None) => String::new(),
        };
        let size = match (self.bytes, self.rows) {
            (None, _) => "size unknown".to_owned(),
            (Some(bytes), None) => format!("{}, number of rows unknown", format_bytes(bytes)),
            (Some(bytes), Some(rows)) => format!("{}, about {rows} rows", format_bytes(bytes)),
        };
        let work = self.work.map(|work| format!(", {work}")).unwrap_or_default();
        format!("{} on {table} ({size}): blocks {}{work}", self.mode, self.blocks)
    }
}

impl Report {
    /// The report on these statements.
    pub(crate) fn new(statements: Vec<StatementReport>, skipped: usize, notes: Vec<String>) -> Self {
        let verdicts = statements.iter().map(|statement| statement.verdict);
        let rank = |verdict: &Verdict| match verdict {
            Verdict::Safe => 0,
            Verdict::NotJudged => 1,
            Verdict::Unsafe => 2,
        };
        let verdict = verdicts.max_by_key(rank).unwrap_or(Verdict::Safe);
        Self { v: FORMAT, verdict, skipped, notes, statements }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self.verdict {
            _ if self.statements.is_empty() && self.skipped == 0 => Exit::NothingRan,
            Verdict::Safe => Exit::Success,
            Verdict::NotJudged => Exit::Inconclusive,
            Verdict::Unsafe => Exit::Failure,
        }
    }

    /// The report for people: what is not safe in full, then the numbers.
    pub(crate) fn human(&self) -> String {
        let mut text = String::new();
        for statement in &self.statements {
            // Writing to a string does not fail.
            let _ = statement.write(&mut text);
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        let count = |verdict| self.statements.iter().filter(|statement| statement.verdict == verdict).count();
        let skipped = match self.skipped {
            0 => String::new(),
            1 => "; 1 file is applied already".to_owned(),
            skipped => format!("; {skipped} files are applied already"),
        };
        let _ = writeln!(
            text,
            "{} unsafe, {} not judged, {} safe{skipped}",
            count(Verdict::Unsafe),
            count(Verdict::NotJudged),
            count(Verdict::Safe)
        );
        text
    }
}

impl StatementReport {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        let verdict = match self.verdict {
            Verdict::Safe if self.locks.is_empty() => return Ok(()),
            Verdict::Safe => "safe",
            Verdict::NotJudged => "NOT JUDGED",
            Verdict::Unsafe => "UNSAFE",
        };
        writeln!(text, "{}:{}: {verdict}: {}", self.file, self.line, self.statement)?;
        for lock in &self.locks {
            writeln!(text, "  {}", lock.describe())?;
        }
        for finding in &self.findings {
            writeln!(text, "  {}: {}", finding.rule, finding.because)?;
            writeln!(text, "    instead: {}", finding.instead)?;
            writeln!(text, "    source: {}", finding.source)?;
        }
        for reason in &self.not_judged {
            writeln!(text, "  not judged: {reason}")?;
        }
        for note in &self.notes {
            writeln!(text, "  note: {note}")?;
        }
        for rule in &self.allowed {
            writeln!(text, "  allowed by a comment: {rule}")?;
        }
        Ok(())
    }
}

/// A number of bytes with the unit that suits it.
fn format_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    let (mut value, mut unit) = (bytes / 1024, 0);
    while value >= 10 * 1024 && unit + 1 < UNITS.len() {
        value /= 1024;
        unit += 1;
    }
    format!("{value} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_pg_size_pretty() {
        assert_eq!(format_bytes(8192), "8 kB");
        assert_eq!(format_bytes(20 * 1024 * 1024), "20 MB");
        assert_eq!(format_bytes(3 * 1024 * 1024 * 1024 * 1024), "3072 GB");
    }

    #[test]
    fn nothing_is_not_safe() {
        assert_eq!(Report::new(Vec::new(), 0, Vec::new()).exit(), Exit::NothingRan);
        assert_eq!(Report::new(Vec::new(), 2, Vec::new()).exit(), Exit::Success);
    }
}
