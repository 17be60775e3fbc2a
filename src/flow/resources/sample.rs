//! A signed sample sent through a source, and what it came to.

use poem_openapi::Object;
use uuid::Uuid;

use crate::domain::event::Kind;
use crate::flow::resources::{ResourceError, Resources};
use crate::flow::routing::SourceEndpoint;
use crate::flow::samples;
use crate::flow::samples::WantedSample;
use crate::platform::sample::SampleContent;

/// How a webhook is answered that was believed and recorded.
const RECORDED: u16 = 200;

/// What a signed sample came to. It is recorded as a test: it counts nowhere, and makes no order.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct SentSample {
    pub source: String,
    /// The kind of event that it was a sample of.
    pub kind: String,
    /// Whether it was believed and recorded.
    pub accepted: bool,
    /// What was answered to it, as HTTP status and as the platform would read it.
    pub status: u16,
    pub answer: String,
    /// The event that was recorded.
    pub event: Option<Uuid>,
    /// The name of the way of signing that fitted.
    pub recipe: Option<String>,
    /// The channels that get a message of the test, by the routes for the kind `test`.
    pub channels: Vec<String>,
    /// Those that a genuine one could go to, as far as the conditions of the routes hold.
    pub routed_to: Vec<String>,
}

impl Resources {
    /// Sends a signed sample to the address of a source, on the way that real webhooks come, and answers what came of it. One
    /// at a time.
    pub async fn send_sample(&self, name: &str) -> Result<SentSample, ResourceError> {
        let routing = self.routing.get();
        let missing = || ResourceError::Missing("such source in the configuration".to_owned());
        let endpoint = routing.endpoints.get(name).ok_or_else(missing)?;
        let not_sent = |reason: &str| ResourceError::Conflict(format!("no sample was sent to \"{name}\": {reason}"));
        if let Some(reason) = &endpoint.closed {
            return Err(not_sent(reason));
        }
        let Some(sender) = &self.samples else { return Err(not_sent("no webhooks are taken here")) };
        let under_way = || ResourceError::UnderWay(format!("a sample to \"{name}\" is under way"));
        let _turn = self.sampling.take(name).ok_or_else(under_way)?;
        let kind = usual_kind(endpoint).ok_or_else(|| not_sent("its platform has no samples"))?;
        let wanted = WantedSample { kind: &kind.to_string(), index: 0, address: &endpoint.address };
        let content = SampleContent { seed: samples::seed(), ..SampleContent::default() };
        let sample = samples::make(endpoint.source.platform(), wanted, &content, self.clock.now())
            .map_err(|_| not_sent("its platform has no samples"))?;
        let shop = sample.shop.clone();
        let sent = sender.send(name, sample).await;
        let (answer, arrival) =
            sent.map_err(|unanswered| ResourceError::Unanswered(format!("the sample was not answered: {unanswered}")))?;
        Ok(SentSample {
            source: name.to_owned(),
            routed_to: routing.routes.channels(&kind, name, shop.as_deref()),
            kind: kind.to_string(),
            accepted: answer.status == RECORDED && arrival.is_some(),
            status: answer.status,
            answer: String::from_utf8_lossy(&answer.body).trim().to_owned(),
            event: arrival.as_ref().map(|arrival| arrival.event.0),
            recipe: arrival.as_ref().and_then(|arrival| arrival.recipe.clone()),
            channels: arrival.map(|arrival| arrival.channels).unwrap_or_default(),
        })
    }
}

/// A new order where the platform sends such, else the first kind that it has.
fn usual_kind(endpoint: &SourceEndpoint) -> Option<Kind> {
    let kinds = endpoint.source.platform().kinds();
    let is_order = |kind: &&Kind| **kind == Kind::OrderPlaced;
    kinds.iter().find(is_order).or(kinds.first()).cloned()
}
