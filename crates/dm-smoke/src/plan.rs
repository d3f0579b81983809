//! The plan: checked values, from the flags, the environment and the suite file.

use std::io::IsTerminal;
use std::mem;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use common::args::non_empty;
use common::clock::{Clock as _, SystemClock};
use common::env;
use common::http::parse_url;
use common::label::Label;
use common::proxy::Proxies;
use secrecy::ExposeSecret;
use telemetry::Context;
use url::Url;

use crate::args::{Args, Flaky, Format, ReportFile, TOOL};
use crate::import::{self, ReportSource};
use crate::import_suite::{self, Language, Translation};
use crate::run::Limits;
use crate::suite::file::read;
use crate::suite::model::Suite;
use crate::suite::reader::SuiteOptions;
use crate::suite::run_values::RunValues;

/// What the tool will do.
#[derive(Debug)]
pub enum Plan {
    /// Write an example of a suite to this file or to stdout.
    New(Option<PathBuf>),
    /// Write a suite from what another tool has.
    Translate(Translation),
    /// Print the name and the number of tests of a valid suite.
    Check(Suite),
    /// Run a suite.
    Run(Box<SuiteRun>),
    /// Report the results that another runner wrote.
    Import(Box<Import>),
}

/// A suite to run.
#[derive(Debug)]
pub struct SuiteRun {
    /// Where the results go.
    pub(crate) output: Output,
    /// The suite.
    pub(crate) suite: Suite,
    /// The base of relative URLs, which commands get as `DM_BASE_URL`.
    pub(crate) base_url: Option<Url>,
    /// The limits from the flags.
    pub(crate) limits: Limits,
    /// Whether tests share connections.
    pub(crate) reuse: bool,
}

/// Results of another runner to report.
#[derive(Debug)]
pub struct Import {
    /// Where the results go.
    pub(crate) output: Output,
    /// The reports.
    pub(crate) source: ReportSource,
    /// The exit code of the runner, if it is known.
    pub(crate) runner_exit: Option<u8>,
}

/// Where results go, and how they count.
#[derive(Debug)]
pub(crate) struct Output {
    /// The deployment, and where the results are recorded.
    pub(crate) context: Context,
    /// The suite's name.
    pub(crate) suite: Label,
    /// The format of stdout.
    pub(crate) format: Format,
    /// The report files.
    pub(crate) reports: Vec<ReportFile>,
    /// Whether a flaky test counts as failed.
    pub(crate) flaky_fails: bool,
    /// Whether failures are annotated for GitHub Actions.
    pub(crate) annotate: bool,
}

/// Makes the plan.
///
/// # Errors
/// A flag or the suite file is invalid.
pub fn plan(mut args: Args) -> Result<Plan> {
    let sources = [
        (Language::Hurl, args.from_hurl.take()),
        (Language::Postman, args.from_postman.take()),
        (Language::OpenApi, args.from_openapi.take()),
    ];
    let source = sources.into_iter().find_map(|(language, path)| Some((language, path?)));
    if let Some((language, path)) = source {
        return import_suite::read(language, path).map(Plan::Translate);
    }
    match args.suite.take() {
        path if args.new => Ok(Plan::New(path)),
        Some(suite) => plan_suite(&suite, args),
        None => plan_import(args),
    }
}

fn plan_suite(path: &Path, args: Args) -> Result<Plan> {
    let base_url = non_empty(args.base_url.as_ref());
    let base_url = base_url.map(|url| parse_base_url(url.expose_secret())).transpose()?;
    let timeout = args.timeout;
    let run = RunValues::new(SystemClock.now());
    if args.check {
        // The check needs neither the address of the deployment nor the secrets.
        let base_url = base_url.or_else(|| Url::parse("http://base.invalid").ok());
        let env = |name: &str| env::system(name).or_else(|| Some(String::from("unset")));
        return Ok(Plan::Check(read(
            path,
            &SuiteOptions { base_url: base_url.as_ref(), timeout, env: &env, run: &run },
        )?));
    }
    let suite =
        read(path, &SuiteOptions { base_url: base_url.as_ref(), timeout, env: &env::system, run: &run })?;
    let suite = suite.select(|test| {
        args.filter.as_ref().is_none_or(|filter| filter.is_match(&test.name))
            && (args.tag.is_empty() || args.tag.iter().any(|tag| test.tags.contains(tag)))
    });
    // The clients would ignore a value that is no URL, and connect directly.
    Proxies::from_env().map_err(anyhow::Error::msg)?;
    let limits = Limits {
        jobs: usize::from(args.jobs),
        retries: args.retries,
        retry_delay: args.retry_delay,
        max_fail: args.max_fail,
        deadline: args.deadline,
    };
    let reuse = args.reuse;
    Ok(Plan::Run(Box::new(SuiteRun {
        output: output(args, suite.name.clone())?,
        suite,
        base_url,
        limits,
        reuse,
    })))
}

fn plan_import(mut args: Args) -> Result<Plan> {
    let (format, default_name, paths) = match (mem::take(&mut args.from_junit), mem::take(&mut args.from_tap))
    {
        (paths, _) if !paths.is_empty() => (import::Format::Junit, "junit", paths),
        (_, paths) if !paths.is_empty() => (import::Format::Tap, "tap", paths),
        _ => bail!("give a suite file, --from-junit or --from-tap"),
    };
    let runner_exit = args.runner_exit;
    let stem = match paths.as_slice() {
        [path] => path.file_stem().unwrap_or_default().to_string_lossy(),
        _ => "-".into(),
    };
    // A pattern is no name, and - is stdin.
    let file_name = || Label::sanitize(&stem).filter(|_| stem != "-" && !stem.contains(['*', '?', '[']));
    let name = args.name.take().or_else(file_name).or_else(|| Label::sanitize(default_name));
    let Some(name) = name else {
        bail!("the name of the file is not usable as the name of a suite: give a --name")
    };
    let source = ReportSource { format, paths };
    Ok(Plan::Import(Box::new(Import { output: output(args, name)?, source, runner_exit })))
}

fn output(args: Args, suite: Label) -> Result<Output> {
    check_folders(&args.report)?;
    let default_format = || if std::io::stdout().is_terminal() { Format::Human } else { Format::Jsonl };
    Ok(Output {
        context: Context::resolve(TOOL.name, &args.deployment, &args.export)?,
        suite,
        format: args.format.unwrap_or_else(default_format),
        reports: args.report,
        flaky_fails: args.flaky == Flaky::Fail,
        annotate: args.annotate,
    })
}

/// Checks before the tests run that the folders of the reports exist.
fn check_folders(reports: &[ReportFile]) -> Result<()> {
    for ReportFile { path, .. } in reports {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            bail!(
                "--report: cannot write {}: the folder {} does not exist",
                path.display(),
                folder.display()
            );
        }
    }
    Ok(())
}

/// Parses a URL to which paths can be appended. Errors do not show it: it may contain a password.
fn parse_base_url(text: &str) -> Result<Url> {
    match parse_url(text) {
        Ok(url) if url.query().is_none() && url.fragment().is_none() => Ok(url),
        Ok(_) => {
            bail!("--base-url: must have no query and no fragment (? or #), because paths are appended to it")
        }
        Err(error) => bail!("--base-url: {error}"),
    }
}
