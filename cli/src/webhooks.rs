//! The webhooks that every controller serves, whether it leads or not: what an older manifest means, whether our objects make
//! sense, and what makes a pod a wired one.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use exeat_admission::{Certificate, Validator, Webhooks, publish_root};
use exeat_api::crd;
use exeat_controller::wiring::{self, Wiring};
use exeat_controller::{GATEWAY_PORT, Mode};
use exeat_integrations::Integrations;
use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use crate::assemble::source_without_folder;
use crate::kubernetes;
use crate::problem::Problem;

/// The configurations that name our webhooks.
const CONFIGURATION: &str = "exeat";
/// How often it is looked whether API servers still have the certificate: an upgrade of the chart takes it away.
const LOOK: Duration = Duration::from_secs(15);

#[derive(clap::Args)]
#[group(id = "webhooks")]
pub(crate) struct Arguments {
    /// Where webhooks are served; nowhere without it.
    #[arg(long, value_parser = kubernetes::address, requires = "sandboxd_image", value_name = "ADDRESS:PORT")]
    webhook_listen: Option<SocketAddr>,
    /// The Service that leads to the webhooks, in our namespace.
    #[arg(long, default_value = "exeat-webhook", value_name = "NAME")]
    webhook_service: String,
    /// The Service of the gateway, in our namespace: wired pods connect to its address.
    #[arg(long, default_value = "exeat-gateway", value_name = "NAME")]
    gateway_service: String,
    /// The image that brings sandboxd into wired pods.
    #[arg(long, value_name = "IMAGE")]
    sandboxd_image: Option<String>,
    /// The ports on which wired pods reach names.
    #[arg(long, value_delimiter = ',', default_value = "80,443", value_name = "PORTS")]
    wired_ports: Vec<u16>,
}

/// Serves the webhooks until `stop`, where they are asked for. When this returns they answer.
pub(crate) async fn serve(
    arguments: &Arguments, mode: Mode, client: &Client, namespace: &str, stop: CancellationToken,
) -> Result<(), Problem> {
    let (Some(address), Some(image)) = (arguments.webhook_listen, arguments.sandboxd_image.clone()) else {
        return Ok(());
    };
    let listener = kubernetes::listen(address).await?;
    let gateway = gateway(client, namespace, &arguments.gateway_service).await?;
    let wiring = Wiring { gateway, image, ports: arguments.wired_ports.clone() };
    let certificate =
        Certificate::open(client, namespace, &arguments.webhook_service).await.map_err(Problem::failure)?;
    let integrations: Integrations = exeat_integrations::all(&Default::default()).map_err(Problem::failure)?;
    let validator = Validator::new(source_without_folder(&integrations), Arc::new(client.clone()));
    let webhooks = Webhooks::new(validator).and("/wire", move |review| wiring::review(&wiring, &review));
    let serving = exeat_admission::serve(listener, certificate.serving(), Arc::new(webhooks), stop.clone());
    tokio::spawn(serving);
    let client = client.clone();
    tokio::spawn(async move {
        let published = publish(&client, certificate.root(), definitions(mode));
        stop.run_until_cancelled(Box::pin(async { tokio::join!(certificate.keep(), published) })).await;
    });
    Ok(())
}

/// The gateway's address. A wired pod asks nobody for names but its own sandboxd, so it has to be one.
async fn gateway(client: &Client, namespace: &str, name: &str) -> Result<SocketAddr, Problem> {
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let service = services.get(name).await.map_err(|error| {
        Problem::failure(format!("the gateway's Service `{name}` cannot be read in `{namespace}`: {error}"))
            .advise("install the gateway first, or name its Service with `--gateway-service`")
    })?;
    let address = service.spec.and_then(|spec| spec.cluster_ip).and_then(|address| address.parse::<IpAddr>().ok());
    let address = address.ok_or_else(|| {
        Problem::failure(format!("the gateway's Service `{name}` has no address: a headless one will not do"))
    })?;
    Ok(SocketAddr::new(address, GATEWAY_PORT))
}

/// Whose objects we convert. Beside Agent Sandbox's controller its kinds are its own, and so are their definitions.
fn definitions(mode: Mode) -> Vec<String> {
    match mode {
        Mode::Instead => {
            crd::converted(&crd::Webhook::default()).filter_map(|definition| definition.metadata.name).collect()
        }
        Mode::Beside => Vec::new(),
    }
}

/// Sees to it that API servers trust us, again and again.
async fn publish(client: &Client, root: &str, definitions: Vec<String>) {
    loop {
        if let Err(error) = publish_root(client, root, &definitions, CONFIGURATION).await {
            tracing::warn!(%error, "the webhooks' certificate could not be written to where it is looked for");
        }
        tokio::time::sleep(LOOK).await;
    }
}
