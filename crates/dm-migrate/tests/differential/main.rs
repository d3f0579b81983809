//! Each scenario runs with each migration tool twice, bare and wrapped with the defaults of dm-migrate: the exit code, the
//! schema and the version are never worse when it is wrapped.
//!
//! The test suite runs a slice of it; `scripts/trials.sh migrations` runs all, and prints the table.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod scenarios;
mod tools;

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use testkit::pgbouncer::PgBouncer;
use testkit::postgres::Postgres;
use testkit::server::eventually;
use testkit::trial;

use scenarios::{Blocker, Route, SCENARIOS, Scenario};
use tools::Tool;

/// The schema before a migration. `one` is the same in all rows.
const SCHEMA: &str = "create table orders (id int, note text, one int default 1); create index orders_id on orders (id); \
    insert into orders (id, note) select g, g from generate_series(1, 50) g; alter table orders owner to migrator; \
    create table items (id int); grant all on orders, items to web; create table secret (id int); \
    grant create on schema public to migrator";

/// Waits, for at most 30 s, until a session of this database waits for a lock.
const UNTIL_BLOCKED: &str = "do $$ begin for i in 1..600 loop exit when exists (select from pg_locks w join pg_locks d using (pid) \
    where not w.granted and d.database = (select oid from pg_database where datname = current_database())); \
    perform pg_sleep(0.05); end loop; end $$";

/// What is left after the runs of a scenario.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// The exit codes, in the order of the runs; sorted if they ran at the same time.
    codes: Vec<i32>,
    schema: String,
    versions: String,
}

/// How a wrapped run compares with the bare one.
#[derive(Debug, PartialEq, Eq)]
enum Comparison {
    Same,
    /// It succeeded where the bare one failed.
    Better,
    /// It reports an index that is invalid or a constraint that is not validated, which the bare one left silently.
    Reported,
    Worse(String),
}

fn compare(scenario: &Scenario, bare: &Outcome, wrapped: &Outcome) -> Comparison {
    let worse = || Comparison::Worse(format!("bare: {bare:?}\nwrapped: {wrapped:?}"));
    let is_left = bare.schema.contains("INVALID") || bare.schema.contains("NOT VALID");
    let (mut is_better, mut is_reported) = (false, false);
    for (bare, wrapped) in bare.codes.iter().zip(&wrapped.codes) {
        match (*bare, *wrapped) {
            (0, 1) if is_left => is_reported = true,
            (bare, wrapped) if bare == wrapped => {}
            (0, _) => return worse(),
            (_, 0) => is_better = true,
            // Which of the two fails where is chance.
            _ if scenario.is_parallel => {}
            _ => return worse(),
        }
    }
    let is_same = bare.schema == wrapped.schema && bare.versions == wrapped.versions;
    match (is_same, is_better) {
        // Of two that both apply all of it, none has to fail.
        (true, true) if scenario.is_parallel => Comparison::Better,
        // It says that it succeeded, and did no more than the one that failed.
        (true, true) | (false, false) => worse(),
        (true, false) if is_reported => Comparison::Reported,
        (true, false) => Comparison::Same,
        (false, true) => Comparison::Better,
    }
}

struct Servers {
    postgres: Postgres,
    replica: Postgres,
    pooler: PgBouncer,
}

impl Servers {
    fn start() -> Self {
        let postgres = Postgres::start();
        postgres.role("migrator", "createdb in role pg_monitor");
        postgres.role("web", "");
        let (pooler, replica) = (PgBouncer::start(&postgres, "migrator", ""), postgres.replica());
        Self { postgres, replica, pooler }
    }

    /// Creates a database, and what a scenario needs in it and next to it.
    fn prepare(&self, scenario: &Scenario, database: &str) {
        let server = &self.postgres;
        server.sql(&format!("create database {database}"));
        server.sql_in(database, SCHEMA);
        server.sql_in(database, &scenario.setup.replace("{db}", database));
        match scenario.route {
            Route::FromElsewhere => {
                server.sql(&format!("create database {database}_other owner migrator"));
            }
            Route::ReplicaFirst => {
                eventually("the replica has the database", || {
                    let sql = format!("select count(*) from pg_database where datname = '{database}'");
                    let count = self.replica.sql(&sql);
                    if count == "1" { Ok(()) } else { Err(count) }
                });
            }
            _ => {}
        }
    }

    /// Drops what [`Self::prepare`] and the migrations have created.
    fn clean_up(&self, database: &str) {
        for name in [database.to_owned(), format!("{database}_other"), format!("{database}_new")] {
            let sql = format!("drop database if exists {name} with (force)");
            // The notice that there is none is no error.
            self.postgres.sql(&sql);
        }
    }

    /// Runs a scenario in a database of its own.
    fn run(&self, scenario: &Scenario, tool: Tool, wrapped: bool, database: &str) -> Outcome {
        let server = &self.postgres;
        self.prepare(scenario, database);
        let folder = tempfile::tempdir().unwrap();
        tool.write(folder.path(), scenario.steps, database);
        let start = || self.start_tool(scenario, tool, wrapped, database, folder.path());
        let blocker = scenario.blocker.map(|blocker| {
            let Blocker { sql, seconds, after, .. } = blocker;
            let sql = format!("begin; {sql}; {UNTIL_BLOCKED}; select pg_sleep({seconds}); {after}; commit");
            let session = server.background_in(database, blocker.role, "blocker", &sql);
            let blocks = format!(
                "select count(*) from pg_stat_activity where datname = '{database}' and application_name = 'blocker' and wait_event = 'PgSleep'"
            );
            eventually("the blocker holds its locks", || match &*server.sql(&blocks) {
                "1" => Ok(()),
                other => Err(other.to_owned()),
            });
            session
        });
        let mut codes: Vec<i32> = if scenario.is_parallel {
            let both = [start(), start()];
            both.into_iter().map(end).collect()
        } else {
            (0..scenario.runs).map(|_| end(start())).collect()
        };
        if scenario.is_parallel {
            codes.sort_unstable();
        }
        drop(blocker);
        Outcome { codes, schema: self.schema(database), versions: self.versions(tool, database) }
    }

    fn start_tool(
        &self,
        scenario: &Scenario,
        tool: Tool,
        is_wrapped: bool,
        database: &str,
        folder: &Path,
    ) -> Child {
        let mut argv = tool.argv();
        if is_wrapped {
            let wrapper = [env!("CARGO_BIN_EXE_dm-migrate"), "--"].map(str::to_owned);
            argv = wrapper.into_iter().chain(argv).collect();
        }
        let url = self.postgres.url_of("migrator", database);
        let url = match scenario.route {
            Route::Plain | Route::DeadMonitor | Route::FromElsewhere => format!("{url}?sslmode=disable"),
            Route::ApplicationName => format!("{url}?sslmode=disable&application_name=shop"),
            Route::Options => format!("{url}?sslmode=disable&options=-c%20search_path%3Dpublic"),
            Route::Pooler => format!("{}?sslmode=disable", self.pooler.url_of("migrator", database)),
            Route::ReplicaFirst => {
                let hosts = format!("127.0.0.1:{},127.0.0.1:{}", self.replica.port(), self.postgres.port());
                let url = url.replace(&format!("127.0.0.1:{}", self.postgres.port()), &hosts);
                format!("{url}?sslmode=disable&target_session_attrs=read-write")
            }
            Route::WrongPassword => format!("{}?sslmode=disable", url.replacen("migrator:", "migrator:x", 1)),
            Route::NoDatabase => format!("{url}_missing?sslmode=disable"),
        };
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).env_clear().envs(Tool::env()).env("DATABASE_URL", url).env("HOME", folder);
        command.env("DM_STATE_DIR", folder.join("state")).current_dir(folder);
        if scenario.route == Route::DeadMonitor {
            command.env("MIGRATION_DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing");
        }
        if scenario.route == Route::FromElsewhere {
            let other = self.postgres.url_of("migrator", &format!("{database}_other"));
            command.env("MIGRATION_DATABASE_URL", format!("{other}?sslmode=disable"));
        }
        let stdin = tool.stdin().map(|name| File::open(folder.join(name)).unwrap());
        command.stdin(stdin.map_or_else(Stdio::null, Stdio::from));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap_or_else(|error| panic!("{argv:?}: {error}"))
    }

    /// The columns, indexes and constraints, without those of the version tables; and the databases next to this one.
    fn schema(&self, database: &str) -> String {
        let databases = self.postgres.sql(&format!(
            "select replace(datname, '{database}', '') from pg_database where datname in ('{database}_other', '{database}_new') order by 1"
        ));
        let schema = self.postgres.sql_in(
            database,
            "with own as (select c.oid, c.relname from pg_class c join pg_namespace n on n.oid = relnamespace \
                 where nspname in ('public', 'other') and relkind in ('r', 'v') and relname !~ 'migration|alembic|django|knex') \
             select relname || '.' || attname || ' ' || format_type(atttypid, atttypmod) || case when attnotnull then ' not null' else '' end \
                 from own join pg_attribute on attrelid = oid where attnum > 0 and not attisdropped \
             union all select 'index ' || i.indexrelid::regclass || case when indisvalid then '' else ' INVALID' end \
                 from own join pg_index i on indrelid = oid \
             union all select pg_get_constraintdef(k.oid) from own join pg_constraint k on conrelid = own.oid order by 1",
        );
        format!("{schema}\n{databases}")
    }

    fn versions(&self, tool: Tool, database: &str) -> String {
        let (table, query) = tool.versions();
        let search = format!("select count(*) from pg_class where relname = '{table}'");
        match &*self.postgres.sql_in(database, &search) {
            "0" => String::new(),
            _ => self.postgres.sql_in(database, &format!("set search_path = other, public; {query}")),
        }
    }
}

fn end(mut tool: Child) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    let status = tool.wait().unwrap();
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}

#[test]
fn a_wrapped_migration_is_never_worse() {
    let is_trial = trial::rounds(0) > 0;
    let tools = if is_trial { &Tool::ALL[..] } else { &Tool::SLICE[..] };
    let servers = Servers::start();
    let mut worse = Vec::new();
    print!("{:58}", "exit code bare/wrapped");
    for tool in tools {
        print!("{:>20}", tool.name());
    }
    println!();
    for _ in 0..trial::rounds(1) {
        for (number, scenario) in SCENARIOS.iter().enumerate().filter(|(_, it)| is_trial || it.is_in_slice) {
            let compare_tool = |tool: Tool| {
                let run = |wrapped: bool| {
                    let database = format!("s{number}_{}_{wrapped}", tool.name().replace('-', "_"));
                    let outcome = servers.run(scenario, tool, wrapped, &database);
                    servers.clean_up(&database);
                    outcome
                };
                let (bare, wrapped) = (run(false), run(true));
                let codes = [&bare, &wrapped].map(|outcome| {
                    outcome.codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
                });
                (codes.join("/"), compare(scenario, &bare, &wrapped))
            };
            // The tools are compared at the same time, because most of that is waiting.
            let results: Vec<_> = thread::scope(|scope| {
                let compare_tool = &compare_tool;
                let threads: Vec<_> =
                    tools.iter().map(|tool| scope.spawn(move || compare_tool(*tool))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            print!("{:58}", scenario.name);
            for (tool, (codes, comparison)) in tools.iter().zip(results) {
                let word = match &comparison {
                    Comparison::Same => "same",
                    Comparison::Better => "better",
                    Comparison::Reported => "reported",
                    Comparison::Worse(_) => "WORSE",
                };
                print!("{:>20}", format!("{codes} {word}"));
                if let Comparison::Worse(why) = comparison {
                    worse.push(format!("{}, {}: {why}", scenario.name, tool.name()));
                }
            }
            println!();
        }
    }
    assert!(worse.is_empty(), "{}", worse.join("\n\n"));
}
