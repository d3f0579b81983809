//! A proxy in front of a Pushgateway that kills the tool at one of its requests: whatever the machine is busy with, the
//! tool is killed at the same moment of its protocol.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::fault::{Recording, Request};
use testkit::proxy;
use testkit::pushgateway::Pushgateway;

/// When the tool is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// The gateway does not receive the request.
    BeforeRequest,
    /// The gateway has received the request; the tool does not receive the answer.
    BeforeAnswer,
    /// The request is on its way: the gateway receives it when [`KillingProxy::deliver`] is called.
    OnItsWay,
}

#[derive(Debug)]
struct Plan {
    tool: Pid,
    moment: Moment,
    /// The number of requests that pass before it.
    remaining: usize,
}

/// The proxy.
#[derive(Debug)]
pub(crate) struct KillingProxy {
    server: Recording,
    plan: Arc<Mutex<Option<Plan>>>,
    on_its_way: Receiver<Request>,
    gateway: String,
}

impl KillingProxy {
    pub(crate) fn new(gateway: &Pushgateway) -> Self {
        let plan = Arc::new(Mutex::new(None));
        let (shared, address) = (Arc::clone(&plan), gateway.address().to_owned());
        let (held, on_its_way) = mpsc::channel();
        let server = Recording::answering_all(move |request| {
            pass(request, &address, shared.lock().unwrap().as_mut(), &held).unwrap_or_default()
        });
        Self { server, plan, on_its_way, gateway: gateway.address().to_owned() }
    }

    /// Runs `tool` with this proxy as its gateway, and kills it at its request `number`, from 0. False if it ended before.
    pub(crate) fn kills(&self, tool: &mut Command, moment: Moment, number: usize) -> bool {
        let mut child = {
            // A request waits until the plan is complete.
            let mut plan = self.plan.lock().unwrap();
            let child = tool.env("PUSHGATEWAY_URL", &self.server.url).stderr(Stdio::null()).spawn().unwrap();
            *plan = Some(Plan { tool: pid(&child), moment, remaining: number });
            child
        };
        was_killed(&mut child)
    }

    /// Lets the gateway receive the request that was on its way when its tool was killed.
    pub(crate) fn deliver(&self) {
        for request in self.on_its_way.try_iter() {
            proxy::pass(&request, &self.gateway);
        }
    }
}

/// Passes a request on to the gateway, and returns its response. Kills the tool if the plan says so.
fn pass(
    request: &Request,
    address: &str,
    plan: Option<&mut Plan>,
    on_its_way: &Sender<Request>,
) -> Option<String> {
    let plan = plan?;
    let is_last = plan.remaining == 0;
    plan.remaining = plan.remaining.checked_sub(1).unwrap_or(usize::MAX);
    if is_last && !matches!(plan.moment, Moment::BeforeAnswer) {
        if matches!(plan.moment, Moment::OnItsWay) {
            // Before the kill: the test reads it after that.
            let _ = on_its_way.send(request.clone());
        }
        let _ = kill(plan.tool, Signal::SIGKILL);
        return None;
    }
    let response = proxy::pass(request, address);
    if is_last {
        let _ = kill(plan.tool, Signal::SIGKILL);
    }
    Some(response)
}

/// Kills a tool after a delay, if it has not ended by then; whether it was killed.
pub(crate) fn kill_after(delay: Duration, mut child: Child) -> bool {
    let spawned = Instant::now();
    while spawned.elapsed() < delay {
        std::hint::spin_loop();
    }
    let _ = child.kill();
    was_killed(&mut child)
}

fn was_killed(child: &mut Child) -> bool {
    child.wait().unwrap().signal() == Some(Signal::SIGKILL as i32)
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}
