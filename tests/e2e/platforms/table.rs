//! The platforms.

use testkit::railway::{DEPLOYMENTS, TOKEN, railway};

use super::{Fake, Platform, api, contract};

/// A platform whose releases keep their names, and where nobody knows what is live after a failure.
const fn platform(script: &'static str, prefix: &'static str, fake: Fake) -> Platform {
    Platform {
        script,
        prefix,
        fake,
        settings: &[],
        secrets: &[],
        target: "",
        bad: "",
        restored: "",
        after_failure: None,
        failures_stay_out: false,
        takes_versions: false,
        changes: &[],
    }
}

#[test]
fn releases_follows_the_contract() {
    contract::check(&Platform {
        settings: &[
            ("RELEASES_DIR", "{folder}/srv"),
            ("RELEASES_UNITS", "shop.service"),
            ("RELEASES_LINK", "current"),
            ("RELEASES_SYSTEMCTL", "system"),
        ],
        target: "1.4.1",
        bad: "2.0.0",
        restored: "1.4.1",
        takes_versions: true,
        changes: &["systemctl restart shop.service"],
        ..platform("releases", "RELEASES", Fake::Program("systemctl"))
    });
}

pub(super) const DOCKER: Platform = Platform {
    settings: &[
        ("COMPOSE_SERVICE", "api"),
        ("COMPOSE_PATH", "compose.yaml"),
        ("COMPOSE_IMAGE_VARIABLE", "API_IMAGE"),
    ],
    target: "registry.example/shop@sha256:1111111111111111111111111111111111111111111111111111111111111111",
    bad: "registry.example/shop@sha256:2222222222222222222222222222222222222222222222222222222222222222",
    restored: "registry.example/shop@sha256:1111111111111111111111111111111111111111111111111111111111111111",
    changes: &["docker compose --file compose.yaml up "],
    ..platform("docker", "DOCKER", Fake::Program("docker"))
};

#[test]
fn docker_follows_the_contract() {
    contract::check(&DOCKER);
}

#[test]
fn kamal_follows_the_contract() {
    contract::check(&Platform {
        settings: &[("KAMAL_DESTINATION", "production")],
        target: "1.4.1",
        bad: "2.0.0",
        restored: "1.4.1",
        takes_versions: true,
        changes: &["kamal rollback 1.4.1"],
        ..platform("kamal", "KAMAL", Fake::Program("kamal"))
    });
}

pub(super) const KUBERNETES: Platform = Platform {
    settings: &[("K8S_WORKLOADS", "deployment/web statefulset/queue"), ("K8S_NAMESPACE", "shop")],
    target: "web-good,queue-good",
    bad: "web-bad,queue-bad",
    restored: "web-good,queue-good",
    changes: &[
        "kubectl --namespace shop rollout undo deployment/web --to-revision=6",
        "kubectl --namespace shop rollout undo statefulset/queue --to-revision=2",
    ],
    ..platform("kubernetes", "K8S", Fake::Program("kubectl"))
};

#[test]
fn kubernetes_follows_the_contract() {
    contract::check(&KUBERNETES);
}

pub(super) const HELM: Platform = Platform {
    settings: &[("HELM_RELEASE", "web"), ("HELM_NAMESPACE", "shop")],
    target: "3",
    bad: "5",
    restored: "6",
    changes: &["helm rollback web 3 --wait"],
    ..platform("helm", "HELM", Fake::Program("helm"))
};

#[test]
fn helm_follows_the_contract() {
    contract::check(&HELM);
}

pub(super) const NOMAD: Platform = Platform {
    settings: &[("NOMAD_JOB", "shop")],
    target: "3",
    bad: "5",
    restored: "6",
    changes: &["nomad job revert -detach shop 3"],
    ..platform("nomad", "NOMAD", Fake::Program("nomad"))
};

#[test]
fn nomad_follows_the_contract() {
    contract::check(&NOMAD);
}

#[test]
fn ecs_follows_the_contract() {
    contract::check(&Platform {
        settings: &[("ECS_CLUSTER", "shop"), ("ECS_SERVICE", "api")],
        target: "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:7",
        bad: "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:8",
        restored: "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:7",
        changes: &["aws ecs update-service"],
        ..platform("ecs", "ECS", Fake::Program("aws"))
    });
}

#[test]
fn cloud_run_follows_the_contract() {
    contract::check(&Platform {
        settings: &[
            ("CLOUD_RUN_SERVICE", "api"),
            ("CLOUD_RUN_REGION", "europe-west1"),
            ("CLOUD_RUN_PROJECT", "shop-1"),
        ],
        target: "api-good",
        bad: "api-bad",
        restored: "api-good",
        after_failure: Some("api-good"),
        changes: &["gcloud run services update-traffic api --to-revisions api-good=100"],
        ..platform("cloud-run", "CLOUD_RUN", Fake::Program("gcloud"))
    });
}

#[test]
fn fly_follows_the_contract() {
    contract::check(&Platform {
        settings: &[("FLY_APP", "shop")],
        target: "registry.fly.io/shop@sha256:1111111111111111111111111111111111111111111111111111111111111111",
        bad: "registry.fly.io/shop@sha256:2222222222222222222222222222222222222222222222222222222222222222",
        restored: "registry.fly.io/shop@sha256:1111111111111111111111111111111111111111111111111111111111111111",
        changes: &["fly deploy --app shop --image registry.fly.io/shop@sha256:1"],
        ..platform("fly", "FLY", Fake::Program("fly"))
    });
}

pub(super) const HEROKU: Platform = Platform {
    settings: &[("HEROKU_APP", "shop")],
    target: "v40",
    bad: "v42",
    restored: "v43",
    after_failure: Some("v40"),
    failures_stay_out: true,
    changes: &["heroku releases:rollback v40 --app shop"],
    ..platform("heroku", "HEROKU", Fake::Program("heroku"))
};

#[test]
fn heroku_follows_the_contract() {
    contract::check(&HEROKU);
}

pub(super) const RAILWAY: Platform = Platform {
    settings: &[
        ("RAILWAY_TOKEN", TOKEN),
        ("RAILWAY_PROJECT_ID", "00000000-0000-4000-8000-00000000000a"),
        ("RAILWAY_ENVIRONMENT_ID", "00000000-0000-4000-8000-00000000000b"),
        ("RAILWAY_SERVICE_ID", "00000000-0000-4000-8000-00000000000c"),
    ],
    secrets: &["RAILWAY_TOKEN"],
    target: DEPLOYMENTS[0],
    bad: DEPLOYMENTS[1],
    restored: DEPLOYMENTS[2],
    after_failure: Some(DEPLOYMENTS[0]),
    failures_stay_out: true,
    changes: &["deploymentRollback"],
    ..platform("railway", "RAILWAY", Fake::Api(railway, "RAILWAY_API_URL"))
};

#[test]
fn railway_follows_the_contract() {
    contract::check(&RAILWAY);
}

#[test]
fn render_follows_the_contract() {
    contract::check(&Platform {
        settings: &[("RENDER_API_KEY", api::KEY), ("RENDER_SERVICE_ID", "srv-1")],
        secrets: &["RENDER_API_KEY"],
        target: "dep-good",
        bad: "dep-bad",
        restored: "dep-new",
        after_failure: Some("dep-good"),
        failures_stay_out: true,
        changes: &["POST /services/srv-1/rollback"],
        ..platform("render", "RENDER", Fake::Api(api::render, "RENDER_API_URL"))
    });
}

#[test]
fn vercel_follows_the_contract() {
    contract::check(&Platform {
        settings: &[
            ("VERCEL_TOKEN", api::KEY),
            ("VERCEL_PROJECT_ID", "prj_1"),
            ("VERCEL_ORG_ID", "team_1"),
            ("VERCEL_DOMAIN", "shop.example"),
        ],
        secrets: &["VERCEL_TOKEN"],
        target: "dpl_good",
        bad: "dpl_bad",
        restored: "dpl_good",
        after_failure: Some("dpl_good"),
        failures_stay_out: true,
        changes: &["POST /v1/projects/prj_1/rollback/dpl_good"],
        ..platform("vercel", "VERCEL", Fake::Api(api::vercel, "VERCEL_API_URL"))
    });
}
