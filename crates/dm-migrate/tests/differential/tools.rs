//! The migration tools: how each is given its migrations, and run.

use std::path::{Path, PathBuf};

use testkit::bin;
use testkit::postgres::program;

use crate::scenarios::Step;

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// A script around psql.
    Psql,
    /// psql with all migrations on stdin.
    PsqlStdin,
    Dbmate,
    Alembic,
    Django,
    Knex,
    NodePgMigrate,
}

impl Tool {
    pub(crate) const ALL: [Self; 7] = [
        Self::Psql,
        Self::PsqlStdin,
        Self::Dbmate,
        Self::Alembic,
        Self::Django,
        Self::Knex,
        Self::NodePgMigrate,
    ];

    /// The tools of the test suite: those that start quickly.
    pub(crate) const SLICE: [Self; 3] = [Self::Psql, Self::PsqlStdin, Self::Dbmate];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Psql => "psql",
            Self::PsqlStdin => "psql-stdin",
            Self::Dbmate => "dbmate",
            Self::Alembic => "alembic",
            Self::Django => "django",
            Self::Knex => "knex",
            Self::NodePgMigrate => "node-pg-migrate",
        }
    }

    /// The version table, and a query of the versions in it.
    pub(crate) fn versions(self) -> (&'static str, &'static str) {
        match self {
            Self::Psql | Self::PsqlStdin | Self::Dbmate => {
                ("schema_migrations", "select version from schema_migrations order by 1")
            }
            Self::Alembic => ("alembic_version", "select version_num from alembic_version"),
            Self::Django => {
                ("django_migrations", "select name from django_migrations where app = 'shop' order by 1")
            }
            Self::Knex => ("knex_migrations", "select name from knex_migrations order by 1"),
            Self::NodePgMigrate => ("pgmigrations", "select name from pgmigrations order by 1"),
        }
    }

    /// The command line.
    pub(crate) fn argv(self) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let tool = |kind: &str, name: &str| folder().join(kind).join(name).display().to_string();
        let node =
            |name: &str, args: &[&str]| [vec![tool("node/node_modules/.bin", name)], words(args)].concat();
        let python = |args: &[&str]| [vec![tool("python/bin", "python3")], words(args)].concat();
        match self {
            Self::Psql => words(&["sh", "migrate.sh"]),
            Self::PsqlStdin => {
                words(&["sh", "-c", r#"exec "$PSQL" "$DATABASE_URL" -XAtq -v ON_ERROR_STOP=1 -f -"#])
            }
            Self::Dbmate => node("dbmate", &["--no-dump-schema", "up"]),
            Self::Alembic => python(&["-m", "alembic", "upgrade", "head"]),
            Self::Django => {
                python(&["-m", "django", "migrate", "--settings", "settings", "--noinput", "shop"])
            }
            Self::Knex => node("knex", &["migrate:latest"]),
            Self::NodePgMigrate => node("node-pg-migrate", &["up"]),
        }
    }

    /// The file that the tool gets on stdin, if it reads that.
    pub(crate) fn stdin(self) -> Option<&'static str> {
        (self == Self::PsqlStdin).then_some("all.sql")
    }

    /// Writes the migrations into a folder.
    pub(crate) fn write(self, folder: &Path, steps: &[Step], database: &str) {
        let write = |name: String, text: String| {
            let file = folder.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            common::fs::atomic::write(&file, text.as_bytes()).unwrap();
        };
        match self {
            Self::Psql => write("migrate.sh".to_owned(), PSQL.to_owned()),
            Self::PsqlStdin => {
                let steps = (1..).zip(steps).map(|(number, step)| {
                    let sql = psql(number, step.in_transaction, &step.sql.replace("{db}", database));
                    format!(
                        "select not exists (select from schema_migrations where version = '{number}') as is_new \\gset\n\
                         \\if :is_new\n{sql}\\endif\n"
                    )
                });
                let table = "set client_min_messages = warning; \
                     create table if not exists schema_migrations (version text primary key);\n";
                let all: String = std::iter::once(table.to_owned()).chain(steps).collect();
                write("all.sql".to_owned(), all);
            }
            Self::Alembic => {
                write("alembic.ini".to_owned(), "[alembic]\nscript_location = %(here)s/scripts\n".to_owned());
                write("scripts/env.py".to_owned(), ALEMBIC.to_owned());
                std::fs::create_dir_all(folder.join("scripts/versions")).unwrap();
            }
            Self::Django => {
                write("settings.py".to_owned(), DJANGO.to_owned());
                write("shop/__init__.py".to_owned(), String::new());
                write("shop/migrations/__init__.py".to_owned(), String::new());
            }
            Self::Knex => {
                write("knexfile.js".to_owned(), KNEX.to_owned());
                std::fs::create_dir_all(folder.join("migrations")).unwrap();
            }
            Self::Dbmate => std::fs::create_dir_all(folder.join("db/migrations")).unwrap(),
            Self::NodePgMigrate => std::fs::create_dir_all(folder.join("migrations")).unwrap(),
        }
        for (number, step) in (1..).zip(steps) {
            if let Some((name, text)) =
                self.migration(number, step.in_transaction, &step.sql.replace("{db}", database))
            {
                write(name, text);
            }
        }
    }

    /// The file of a migration; `None` if the tool has none.
    fn migration(self, number: usize, in_transaction: bool, sql: &str) -> Option<(String, String)> {
        Some(match self {
            Self::PsqlStdin => return None,
            Self::Psql => (format!("{number}.sql"), psql(number, in_transaction, sql)),
            Self::Dbmate => {
                let option = if in_transaction { "" } else { " transaction:false" };
                (
                    format!("db/migrations/{number}_step.sql"),
                    format!("-- migrate:up{option}\n{sql};\n-- migrate:down\n"),
                )
            }
            Self::Alembic => {
                let before = if number == 1 { "None".to_owned() } else { format!("'r{}'", number - 1) };
                let run = if in_transaction {
                    format!("    op.execute({sql:?})\n")
                } else {
                    format!("    with op.get_context().autocommit_block():\n        op.execute({sql:?})\n")
                };
                let text = format!(
                    "from alembic import op\nrevision = 'r{number}'\ndown_revision = {before}\ndef upgrade():\n{run}"
                );
                (format!("scripts/versions/r{number}.py"), text)
            }
            Self::Django => {
                let before = if number == 1 { String::new() } else { format!("('shop', 'm{}')", number - 1) };
                let atomic = if in_transaction { "True" } else { "False" };
                let text = format!(
                    "from django.db import migrations\nclass Migration(migrations.Migration):\n    atomic = {atomic}\n    \
                     dependencies = [{before}]\n    operations = [migrations.RunSQL({sql:?})]\n"
                );
                (format!("shop/migrations/m{number}.py"), text)
            }
            Self::Knex => {
                let text = format!(
                    "exports.up = (knex) => knex.raw({sql:?});\nexports.down = () => {{}};\nexports.config = {{ transaction: {in_transaction} }};\n"
                );
                (format!("migrations/{number}_step.js"), text)
            }
            Self::NodePgMigrate => {
                let option = if in_transaction { "" } else { "pgm.noTransaction(); " };
                let text = format!(
                    "exports.up = (pgm) => {{ {option}pgm.sql({sql:?}); }};\nexports.down = false;\n"
                );
                (format!("migrations/{number}_step.js"), text)
            }
        })
    }

    /// The variables that the tool needs.
    pub(crate) fn env() -> Vec<(&'static str, String)> {
        let psql = program("psql");
        let modules = folder().join("node/node_modules");
        vec![
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("PSQL", psql.display().to_string()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ("NODE_PATH", modules.display().to_string()),
        ]
    }
}

/// A migration for psql.
fn psql(number: usize, in_transaction: bool, sql: &str) -> String {
    let note = format!("insert into schema_migrations values ('{number}');");
    if in_transaction { format!("begin; {sql}; {note} commit;\n") } else { format!("{sql};\n{note}\n") }
}

/// Where `scripts/migration-tools.sh` installs the tools.
fn folder() -> PathBuf {
    let folder = bin::build().join("test-servers/migration-tools");
    assert!(folder.join("packages").exists(), "run scripts/migration-tools.sh target/test-servers");
    folder
}

const PSQL: &str = r#"set -e
sql() { "$PSQL" "$DATABASE_URL" -XAtq -v ON_ERROR_STOP=1 "$@"; }
sql -c 'create table if not exists schema_migrations (version text primary key)' 2> /dev/null
for file in [0-9]*.sql; do
    [ -f "$file" ] || continue
    [ -z "$(sql -c "select 1 from schema_migrations where version = '${file%.sql}'")" ] || continue
    sql -f "$file"
done
"#;

const ALEMBIC: &str = r"import os
from alembic import context
from sqlalchemy import create_engine
url = os.environ['DATABASE_URL'].replace('postgres://', 'postgresql+psycopg://')
with create_engine(url).connect() as connection:
    context.configure(connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
";

const DJANGO: &str = r"import os
from urllib.parse import parse_qs, urlsplit
url = urlsplit(os.environ['DATABASE_URL'])
DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': url.path[1:], 'USER': url.username,
    'PASSWORD': url.password, 'HOST': url.hostname, 'PORT': url.port,
    'OPTIONS': {name: value[0] for name, value in parse_qs(url.query).items()}}}
INSTALLED_APPS = ['shop']
SECRET_KEY = 'x'
USE_TZ = True
";

const KNEX: &str = "module.exports = { client: 'pg', connection: process.env.DATABASE_URL, migrations: { directory: './migrations' } };\n";
