//! What it means: checked values, and no flag left to ask about.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use common::env;
use common::http::parse_url;
use common::label::Label;
use telemetry::context::Context;
use url::Url;

use crate::args::TOOL;
use crate::args::{Args, Flaky, Format, ReportFile};
use crate::import::{self, ReportSource};
use crate::runner::Limits;
use crate::suite::file::read;
use crate::suite::model::Suite;
use crate::suite::reader::SuiteOptions;

/// What the tool can do.
#[derive(Debug)]
pub enum Plan {
    /// Write an example, as this file or to stdout.
    New(Option<PathBuf>),
    /// Say that the suite is valid.
    Check(Suite),
    /// Run it.
    Run(Box<Run>),
    /// Take over what another runner did.
    Import(Box<Output>, ReportSource),
}

/// A suite to run.
#[derive(Debug)]
pub struct Run {
    /// Where it is told.
    pub output: Output,
    /// The suite.
    pub suite: Suite,
    /// What relative URLs were put behind; for the commands.
    pub base_url: Option<Url>,
    /// How it is run.
    pub limits: Limits,
    /// Whether a connection is kept for the next test.
    pub reuse: bool,
}

/// Where results are told, and what they are worth.
#[derive(Debug)]
pub struct Output {
    /// Who tells them, and where they are recorded.
    pub context: Context,
    /// The suite's name.
    pub suite: Label,
    /// What stdout carries.
    pub format: Format,
    /// The reports beside it.
    pub reports: Vec<ReportFile>,
    /// Whether a flaky test is bad.
    pub flaky_fails: bool,
    /// Whether failures are annotated.
    pub annotate: bool,
    /// The suite's file, where there is one.
    pub file: Option<PathBuf>,
}

/// Finds out what to do.
pub fn plan(mut args: Args) -> Result<Plan> {
    match args.suite.take() {
        path if args.new => Ok(Plan::New(path)),
        Some(suite) => plan_suite(&suite, args),
        None => plan_import(args),
    }
}

fn plan_suite(path: &Path, args: Args) -> Result<Plan> {
    let base_url = args.base_url.as_deref().filter(|text| !text.is_empty()).map(parse_base).transpose()?;
    let timeout = args.timeout;
    if args.check {
        // The file alone is checked, and that is possible before anybody knows where it will be deployed, and where
        // nobody has its secrets.
        let base_url = base_url.or_else(|| Url::parse("http://base.invalid").ok());
        let env = |name: &str| env::system(name).or_else(|| Some(String::from("unset")));
        return Ok(Plan::Check(read(
            path,
            &SuiteOptions { base_url: base_url.as_ref(), timeout, env: &env },
        )?));
    }
    let suite = read(path, &SuiteOptions { base_url: base_url.as_ref(), timeout, env: &env::system })?;
    let suite = suite.select(|test| {
        args.filter.as_ref().is_none_or(|filter| filter.is_match(&test.name))
            && (args.tag.is_empty() || args.tag.iter().any(|tag| test.tags.contains(tag)))
    });
    let limits = Limits {
        jobs: usize::from(args.jobs),
        retries: args.retries,
        retry_delay: args.retry_delay,
        max_fail: args.max_fail,
        deadline: args.deadline,
    };
    let reuse = args.reuse;
    Ok(Plan::Run(Box::new(Run {
        output: output(args, suite.name.clone(), Some(path.to_owned()))?,
        suite,
        base_url,
        limits,
        reuse,
    })))
}

fn plan_import(mut args: Args) -> Result<Plan> {
    let (format, by_default, path) = match (args.from_junit.take(), args.from_tap.take()) {
        (Some(path), _) => (import::Format::Junit, "junit", path),
        (None, Some(path)) => (import::Format::Tap, "tap", path),
        (None, None) => bail!("give a suite"),
    };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let of_file = || Label::sanitize(&stem).filter(|name| name.as_str() != "-");
    let name = args.name.take().or_else(of_file).or_else(|| Label::sanitize(by_default));
    let Some(name) = name else { bail!("give the results a --name") };
    let source = ReportSource { format, path };
    Ok(Plan::Import(Box::new(output(args, name, None)?), source))
}

fn output(args: Args, suite: Label, file: Option<PathBuf>) -> Result<Output> {
    check_folders(&args.report)?;
    let by_default = || if std::io::stdout().is_terminal() { Format::Human } else { Format::Jsonl };
    Ok(Output {
        context: Context::resolve(TOOL.name, &args.deployment, &args.export)?,
        suite,
        format: args.format.unwrap_or_else(by_default),
        reports: args.report,
        flaky_fails: args.flaky == Flaky::Fail,
        annotate: args.annotate,
        file,
    })
}

/// A report that cannot be written is better known before the tests are run than after.
fn check_folders(reports: &[ReportFile]) -> Result<()> {
    for ReportFile { path, .. } in reports {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            bail!("--report: cannot write {}: there is no folder {}", path.display(), folder.display());
        }
    }
    Ok(())
}

/// A URL that paths can be put behind. What was typed is not shown: it may hold a password.
fn parse_base(text: &str) -> Result<Url> {
    match parse_url(text) {
        Ok(url) if url.query().is_none() && url.fragment().is_none() => Ok(url),
        Ok(_) => bail!("--base-url: paths are put behind it, so it has no ? and no #"),
        Err(error) => bail!("--base-url: {error}"),
    }
}
