//! `dexter dev`: a whole network in one process, to try things out.
//!
//! Every shop is a real one: its own keys, data folder, connections over loopback and REST interface.

mod demo;
mod founding;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use api::{ApiConfig, Page};
use clap::Args;
use futures::future::try_join_all;
use tokio::net::TcpListener;
use types::{Currency, Genesis};

use super::{
    genesis::FaultModelName,
    report,
    run::{Stopping, listen},
};
use crate::{
    durations::{TimingArgs, show},
    founding::fault_advice,
    keys::MemberKeys,
    output,
    shop::{Happening, OnHappening, OpenShop, Shop, ShopConfig, View},
};

/// How long the shops may take to connect with each other before it is said that something is wrong.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs a whole network of shops in one process, to try things out.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// How many shops [default: 4].
    #[arg(long, value_name = "N")]
    shops: Option<usize>,
    #[command(flatten)]
    timing: TimingArgs,
    /// How members may fail [default: byzantine].
    #[arg(long, value_enum)]
    fault_model: Option<FaultModelName>,
    /// The most orders a block seals [default: 5000].
    #[arg(long, value_name = "N")]
    max_block_orders: Option<u32>,
    /// What an amount without a currency is in [default: EUR].
    #[arg(long, value_name = "CODE")]
    currency: Option<Currency>,
    /// Keys and lottery follow from this number, so that a run can be repeated.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Where the network is kept; started again it goes on where it was.
    #[arg(long, value_name = "DIR", default_value = "dexter-data")]
    data: PathBuf,
    /// Forget the network in the data folder and found a new one.
    #[arg(long)]
    fresh: bool,
    /// The REST port of the first shop; the others take the ones above.
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    api_port: u16,
    /// Place so many sample orders a second.
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    demo: Option<f64>,
}

/// Runs `dexter dev` until it is told to stop.
///
/// # Errors
/// When the network cannot start or cannot go on.
pub async fn run(args: DevArgs) -> anyhow::Result<()> {
    let started = Instant::now();
    if let Some(rate) = args.demo
        && !(rate > 0.0 && rate <= demo::MOST_ORDERS_A_SECOND)
    {
        bail!(
            "--demo takes orders a second, above 0 and at most {}",
            demo::MOST_ORDERS_A_SECOND
        );
    }
    let plan = founding::plan(&args)?;
    // Before anything is forgotten or founded.
    let listeners = listen_for_all(&args, plan.shops()).await?;
    let (genesis, folders) = plan.carry_out(&args)?;
    let genesis = Arc::new(genesis);
    let page = Page::embedded().map(Arc::new);
    let (mut shops, mut stopping) = start(&genesis, folders, listeners, page.as_ref()).await?;
    let views: Vec<Arc<View>> = shops.iter().map(|shop| shop.shop.view.clone()).collect();
    View::group(&views);
    introduce(&genesis, &shops, page.is_some())?;
    let mut demo = None;
    let until_failure = async {
        wait_until_ready(&views).await?;
        output::line(format!(
            "{} ready after {:.1} s; stop with Ctrl-C",
            match shops.len() {
                1 => "1 shop is".to_owned(),
                count => format!("{count} shops are"),
            },
            started.elapsed().as_secs_f64()
        ))?;
        if let Some(rate) = args.demo {
            let urls = shops.iter().map(|shop| shop.url.clone()).collect();
            demo = Some(demo::Demo::start(rate, urls)?);
        }
        Err(first_failure(&mut shops).await)
    };
    let ended = tokio::select! {
        failed = until_failure => failed,
        () = stopping.wait() => Ok(()),
    };
    if ended.is_ok() {
        output::line("stopping")?;
    }
    if let Some(demo) = demo {
        demo.stop();
    }
    for shop in shops {
        let stopped = shop.shop.stop().await;
        if ended.is_ok() {
            stopped?;
        }
    }
    ended
}

struct DevShop {
    shop: Shop,
    name: String,
    url: String,
    data: PathBuf,
}

async fn listen_for_all(args: &DevArgs, shops: usize) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for place in 0..shops {
        let port = u16::try_from(place)
            .ok()
            .and_then(|place| args.api_port.checked_add(place))
            .context("there are not enough ports above --api-port for every shop")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        listeners.push(listen(address, "--api-port").await?);
    }
    Ok(listeners)
}

/// Starts all shops; what is asked to stop them from then on is kept.
async fn start(
    genesis: &Arc<Genesis>,
    folders: Vec<PathBuf>,
    listeners: Vec<TcpListener>,
    page: Option<&Arc<Page>>,
) -> anyhow::Result<(Vec<DevShop>, Stopping)> {
    let places = folders.into_iter().zip(listeners).enumerate();
    // At once, because it is mostly waiting for the disk.
    let opening = places.map(|(place, (folder, api))| {
        let api_config = ApiConfig {
            page: page.cloned(),
            ..ApiConfig::default()
        };
        open(genesis, place, folder, api, api_config)
    });
    let opened = try_join_all(opening).await?;
    // What takes long is done, and nobody has been answered yet: until here a signal just ends it.
    let stopping = Stopping::new()?;
    let mut shops: Vec<DevShop> = Vec::new();
    for (opened, name, url, data) in opened {
        let join = shops.first().map(|first| first.shop.p2p.clone());
        let started = opened.start(join.unwrap_or_default()).await;
        let shop = started.with_context(|| format!("{name} cannot start"))?;
        shops.push(DevShop {
            shop,
            name,
            url,
            data,
        });
    }
    Ok((shops, stopping))
}

/// Opens a shop's folder; returns it with the shop's name and the address of its REST interface.
async fn open(
    genesis: &Arc<Genesis>,
    place: usize,
    data: PathBuf,
    api: TcpListener,
    api_config: ApiConfig,
) -> anyhow::Result<(OpenShop, String, String, PathBuf)> {
    let address = api
        .local_addr()
        .context("the address of the REST interface")?;
    let member = genesis.members.get(place);
    let name = member.map(|card| card.name.as_str().to_owned());
    let name = name.unwrap_or_default();
    let config = ShopConfig {
        genesis: genesis.clone(),
        keys: MemberKeys::load(&data)?,
        data: data.clone(),
        p2p: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        join_only: false,
        observers: Vec::new(),
        api,
        api_config,
        on_happening: reporter(place, &name),
    };
    let opened = config.open().await;
    let opened = opened.with_context(|| format!("{name} cannot start"))?;
    Ok((opened, name, format!("http://{address}"), data))
}

/// The first shop tells of every block; each tells of its own troubles.
fn reporter(place: usize, name: &str) -> OnHappening {
    let name = name.to_owned();
    Arc::new(move |happening| match happening {
        Happening::Final { .. } if place == 0 => report::print(happening),
        Happening::Trouble(words) => {
            // When nobody reads any more, the network goes on all the same.
            let _ = output::line(format!("! {name}: {}", output::plain(words)));
        }
        _ => {}
    })
}

fn introduce(genesis: &Genesis, shops: &[DevShop], has_page: bool) -> anyhow::Result<()> {
    let url = shops.first().map_or("", |shop| shop.url.as_str());
    output::line(format!(
        "open {url} - {}",
        if has_page {
            "place an order, watch the race, and check the chain in your browser"
        } else {
            "this program was built without the web page; cargo xtask build puts it in"
        }
    ))?;
    let mut table = output::table(&["shop", "REST interface", "data folder"]);
    for shop in shops {
        table.add_row([
            shop.name.clone(),
            shop.url.clone(),
            shop.data.display().to_string(),
        ]);
    }
    output::line(table)?;
    let timing = &genesis.timing;
    output::line(format!(
        "A shop waits between {} and {} for its turn; the shortest wait of a round seals the block.",
        show(timing.min_wait),
        show(timing.longest_wait(shops.len())),
    ))?;
    output::line(fault_advice(shops.len(), genesis.fault_model))?;
    output::line(format!(
        "\nPlace an order:\n\n  curl -s '{url}/v1/orders?wait=final' -H 'Content-Type: application/json' \\\n    \
         -d '{{\"customer\": \"Ada\", \"details\": \"Flat white\", \"amount\": \"4.50\"}}'\n"
    ))?;
    Ok(())
}

async fn wait_until_ready(views: &[Arc<View>]) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let not_ready = views.iter().find_map(|view| view.readiness().err());
        let Some(reason) = not_ready else {
            return Ok(());
        };
        if start.elapsed() > READY_TIMEOUT {
            bail!(
                "the shops did not get ready within {} s: {reason}",
                READY_TIMEOUT.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn first_failure(shops: &mut [DevShop]) -> anyhow::Error {
    let failures = shops.iter_mut().map(|shop| {
        let name = shop.name.clone();
        Box::pin(async move { shop.shop.failed().await.context(format!("{name} stopped")) })
    });
    futures::future::select_all(failures).await.0
}

/// The genesis file of a dev network.
fn genesis_file(data: &Path) -> PathBuf {
    data.join("genesis.json")
}
