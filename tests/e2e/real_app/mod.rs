//! A real app, deployed by symbolic links with `scripts/deploy-all.sh` as it is shipped: an API that names its version, a
//! static front end behind a real nginx, and a real PostgreSQL that dbmate migrates. [`app`] has the app, and `app/` what a
//! team would have in its repository. However a deployment ends, the end of its terminal names the stage, the cause and
//! the version that is live, and that is what nginx serves.

mod app;
mod ending;
mod error_rates;
mod migrations;
mod runners;
mod stages;
