//! How things stand: channels, sources, reports, notices in force, the configuration as it was loaded.

use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;

use crate::flow::resources::Resources;
use crate::flow::resources::channel::{ChannelList, ChannelStatus, PauseOutcome, TestOutcome};
use crate::flow::resources::overview::{ConfigurationDetail, NoticeList};
use crate::flow::resources::report::{DayReport, ReportList};
use crate::flow::resources::sample::SentSample;
use crate::flow::resources::source::SourceList;
use crate::flow::resources::values::ReportDay;
use crate::web::admin::access::Caller;
use crate::web::admin::api::answer::ApiAnswer;
use crate::web::admin::api::part::ApiSection;

pub struct StatusApi(pub Resources);

#[OpenApi]
impl StatusApi {
    /// All channels of the configuration, and how each does
    #[oai(path = "/channels", method = "get", operation_id = "list_channels", tag = "ApiSection::Status")]
    async fn channels(&self) -> ApiAnswer<ChannelList> {
        Ok(Json(self.0.channels().await?))
    }

    /// How a channel does
    #[oai(path = "/channels/:name", method = "get", operation_id = "get_channel", tag = "ApiSection::Status")]
    async fn channel(&self, name: Path<String>) -> ApiAnswer<ChannelStatus> {
        Ok(Json(self.0.channel(&name.0).await?))
    }

    /// Sends a test message to a channel on the way of real messages, and answers how it ended
    #[oai(path = "/channels/:name/test", method = "post", operation_id = "test_channel", tag = "ApiSection::Status")]
    async fn test(&self, name: Path<String>) -> ApiAnswer<TestOutcome> {
        Ok(Json(self.0.test_channel(&name.0).await?))
    }

    /// Tries a parked channel now; when a message is accepted, all that wait go out
    #[oai(path = "/channels/:name/probe", method = "post", operation_id = "probe_channel", tag = "ApiSection::Status")]
    async fn probe(&self, name: Path<String>) -> ApiAnswer<ChannelStatus> {
        self.0.probe_channel(&name.0).await?;
        Ok(Json(self.0.channel(&name.0).await?))
    }

    /// Pauses a channel: nothing is sent to it any more, but tests, until it is resumed
    #[oai(path = "/channels/:name/pause", method = "post", operation_id = "pause_channel", tag = "ApiSection::Status")]
    async fn pause(&self, name: Path<String>, caller: Data<&Caller>) -> ApiAnswer<PauseOutcome> {
        Ok(Json(self.0.pause_channel(&name.0, &caller.name).await?))
    }

    /// Resumes a channel that is paused: all that waits goes out
    #[oai(
        path = "/channels/:name/resume",
        method = "post",
        operation_id = "resume_channel",
        tag = "ApiSection::Status"
    )]
    async fn resume(&self, name: Path<String>) -> ApiAnswer<PauseOutcome> {
        Ok(Json(self.0.resume_channel(&name.0).await?))
    }

    /// All sources of the configuration, and what comes of their webhooks
    #[oai(path = "/sources", method = "get", operation_id = "list_sources", tag = "ApiSection::Status")]
    async fn sources(&self) -> ApiAnswer<SourceList> {
        Ok(Json(self.0.sources().await?))
    }

    /// Sends a signed sample through a source on the way of real webhooks, recorded as a test, and answers what came of it
    #[oai(path = "/sources/:name/sample", method = "post", operation_id = "send_sample", tag = "ApiSection::Status")]
    async fn sample(&self, name: Path<String>) -> ApiAnswer<SentSample> {
        Ok(Json(self.0.send_sample(&name.0).await?))
    }

    /// All reports of the configuration: those that were made, and the next one of each
    #[oai(path = "/reports", method = "get", operation_id = "list_reports", tag = "ApiSection::Status")]
    async fn reports(&self) -> ApiAnswer<ReportList> {
        Ok(Json(self.0.reports().await?))
    }

    /// The figures of a day: `today` so far, `yesterday`, or a date such as `2026-11-21`
    #[oai(path = "/reports/:name/:day", method = "get", operation_id = "get_report", tag = "ApiSection::Status")]
    async fn report(&self, name: Path<String>, day: Path<ReportDay>) -> ApiAnswer<DayReport> {
        Ok(Json(self.0.day_report(&name.0, &day.0.0).await?))
    }

    /// What is wrong, as far as the operator was notified of it
    #[oai(path = "/notices", method = "get", operation_id = "list_notices", tag = "ApiSection::Status")]
    async fn notices(&self) -> ApiAnswer<NoticeList> {
        Ok(Json(self.0.notices().await?))
    }

    /// The configuration that is in force, without secrets
    #[oai(path = "/configuration", method = "get", operation_id = "get_configuration", tag = "ApiSection::Status")]
    async fn configuration(&self) -> ApiAnswer<ConfigurationDetail> {
        Ok(Json(self.0.configuration()))
    }
}
