//! Who may ask on the admin listener: whoever has a token; where none is configured, whoever is on this machine and is no page
//! of another site.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use poem::{Endpoint, Request};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::domain::access::{Access, AccessToken, TokenDigest, TokenForm, is_hashed};
use crate::domain::log_limit::LogLimit;
use crate::domain::secret::Secret;
use crate::domain::session::{FormDigest, LoginSession, SessionKey};
use crate::domain::try_limit::TryLimit;
use crate::flow::{Clock, Current};
use crate::web::admin::problem::Problem;
use crate::web::admin::same_site;

/// Longer ones are wrong without a look.
const MAX_TOKEN_BYTES: usize = 1024;
/// Tokens that are hashed at a time: each takes 19 MiB for some hundredths of a second.
const HASHED_AT_A_TIME: usize = 2;
/// How long a token waits for its turn to be hashed.
const HASHING_PATIENCE: Duration = Duration::from_secs(5);

/// Who asks, and what they may do; in the data of every request that gets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name of the token; `local` where none is configured.
    pub name: Arc<str>,
    pub access: Access,
}

impl Caller {
    /// # Errors
    /// 403 where the token may only read.
    pub fn must(&self, needed: Access) -> Result<(), Problem> {
        if self.access >= needed {
            return Ok(());
        }
        let title = "The access token may not do this";
        let detail = format!("this takes a token with access = \"{}\"", needed.as_str());
        let challenge = format!("{CHALLENGE}, error=\"insufficient_scope\"");
        let problem = Problem::new(StatusCode::FORBIDDEN, "not-allowed", title);
        Err(problem.detail(detail).header(header::WWW_AUTHENTICATE, &challenge))
    }
}

/// Until when a request that got through may go on; in its data, beside the [`Caller`].
#[derive(Clone, Debug, Default)]
pub struct AccessEnd(pub CancellationToken);

const CHALLENGE: &str = "Bearer realm=\"orderbell\"";

/// What is asked of whoever asks.
pub enum AccessRules {
    Tokens(Vec<KnownToken>),
    /// No token: only what is sent to this address of this machine, by its own name.
    Local(IpAddr),
    /// Nobody gets in.
    Closed,
}

pub struct KnownToken {
    name: Arc<str>,
    access: Access,
    form: KnownForm,
    /// What a session of it is compared with.
    form_digest: FormDigest,
}

enum KnownForm {
    Plain(TokenDigest),
    Hash {
        hash: Secret,
        /// The digest of the token, once it has been presented: hashing it for each request would take too long.
        known: OnceLock<TokenDigest>,
    },
}

impl AccessRules {
    /// Those of a listener that is bound to this address.
    pub fn of(tokens: Vec<AccessToken>, bound: SocketAddr) -> Self {
        if tokens.is_empty() {
            // Whatever the configuration says now: what listens to the network is never open to it.
            return if bound.ip().is_loopback() { AccessRules::Local(bound.ip()) } else { AccessRules::Closed };
        }
        let known = |AccessToken { name, access, form }: AccessToken| {
            let form_digest = FormDigest::of(&form);
            let form = match form {
                TokenForm::Plain(token) => KnownForm::Plain(TokenDigest::of(token.expose())),
                TokenForm::Hash(hash) => KnownForm::Hash { hash, known: OnceLock::new() },
            };
            KnownToken { name: name.into(), access, form, form_digest }
        };
        AccessRules::Tokens(tokens.into_iter().map(known).collect())
    }
}

impl KnownToken {
    fn caller(&self) -> Caller {
        Caller { name: self.name.clone(), access: self.access }
    }

    /// Whether it is known to be this one, without hashing.
    fn is_known_as(&self, digest: &TokenDigest) -> bool {
        match &self.form {
            KnownForm::Plain(known) => known.is(digest),
            KnownForm::Hash { known, .. } => known.get().is_some_and(|known| known.is(digest)),
        }
    }

    /// The hash that the token is to be tried against, where it has not been presented yet.
    fn untried(&self) -> Option<&Secret> {
        match &self.form {
            KnownForm::Hash { hash, known } if known.get().is_none() => Some(hash),
            _ => None,
        }
    }
}

/// Lets in whoever has access to the admin listener. Cloning shares it.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    rules: Current<RulesInForce>,
    tries: Mutex<TryLimit>,
    hashing: Semaphore,
    clock: Clock,
    log: LogLimit<()>,
}

struct RulesInForce {
    rules: AccessRules,
    /// Cancelled when others are in force.
    end: AccessEnd,
}

impl RulesInForce {
    fn new(rules: AccessRules) -> Self {
        Self { rules, end: AccessEnd::default() }
    }
}

impl Authenticator {
    pub fn new(rules: AccessRules, clock: Clock) -> Self {
        let (tries, hashing) = (Mutex::default(), Semaphore::new(HASHED_AT_A_TIME));
        Self(Arc::new(Inner {
            rules: Current::new(RulesInForce::new(rules)),
            tries,
            hashing,
            clock,
            log: LogLimit::default(),
        }))
    }

    /// From now on these rules are in force, and what goes on by those before ends.
    pub fn replace(&self, rules: AccessRules) {
        self.0.rules.replace(RulesInForce::new(rules)).end.0.cancel();
    }

    /// Who asks, where they need to be somebody.
    ///
    /// # Errors
    /// 401, 403, 421, 429 or 503, as a problem document.
    pub async fn admit(&self, request: &Request) -> Result<Caller, Problem> {
        let caller = self.identify(request).await?;
        let caller = caller.ok_or_else(|| self.nobody())?;
        if !request.method().is_safe() {
            caller.must(Access::Write)?;
        }
        Ok(caller)
    }

    /// Who asks, by a token or from this machine; `None` where they do not say. A session is none of that: what programs ask is
    /// answered to a token alone, so that no page that a browser shows can ask it.
    ///
    /// # Errors
    /// As [`Authenticator::admit`].
    pub async fn identify(&self, request: &Request) -> Result<Option<Caller>, Problem> {
        let in_force = self.0.rules.get();
        let tokens = match &in_force.rules {
            AccessRules::Tokens(tokens) => tokens,
            AccessRules::Local(bound) => {
                same_site::check(request, *bound)?;
                return Ok(Some(Caller { name: "local".into(), access: Access::Write }));
            }
            AccessRules::Closed => return Ok(None),
        };
        let Some(presented) = bearer(request.headers()) else { return Ok(None) };
        let found = self.find(tokens, presented.ok(), asks_from(request)).await?;
        Ok(Some(found.caller()))
    }

    /// Whose token it is that somebody logs in with, and what their session is compared with later.
    ///
    /// # Errors
    /// As [`Authenticator::admit`].
    pub async fn log_in(&self, token: &str, peer: Option<IpAddr>) -> Result<(Caller, FormDigest), Problem> {
        match &self.0.rules.get().rules {
            AccessRules::Tokens(tokens) => {
                // A person types it, so it may be short: whoever guesses is not answered a right guess either.
                self.tries_left(peer)?;
                let found = self.find(tokens, Some(token), peer).await?;
                Ok((found.caller(), found.form_digest))
            }
            AccessRules::Local(_) | AccessRules::Closed => Err(self.nobody()),
        }
    }

    /// As whom somebody acts who has logged in; `None` where their token is not configured any more, or otherwise.
    pub fn of_session(&self, session: &LoginSession, key: &SessionKey) -> Option<Caller> {
        let in_force = self.0.rules.get();
        let AccessRules::Tokens(tokens) = &in_force.rules else { return None };
        let token = tokens.iter().find(|token| *token.name == *session.token)?;
        session.is_of(key, &token.form_digest).then(|| token.caller())
    }

    /// Whether a token of this name is configured.
    pub fn has_token(&self, name: &str) -> bool {
        match &self.0.rules.get().rules {
            AccessRules::Tokens(tokens) => tokens.iter().any(|token| *token.name == *name),
            AccessRules::Local(_) | AccessRules::Closed => false,
        }
    }

    /// Whether people log in: whether there is any token.
    pub fn takes_log_ins(&self) -> bool {
        matches!(self.0.rules.get().rules, AccessRules::Tokens(_))
    }

    /// Until when a request goes on that is let in now. It is asked for before the look at who asks: where the rules change in
    /// between, the end has come already.
    pub fn end(&self) -> AccessEnd {
        self.0.rules.get().end.clone()
    }

    async fn find<'t>(
        &self,
        tokens: &'t [KnownToken],
        presented: Option<&str>,
        peer: Option<IpAddr>,
    ) -> Result<&'t KnownToken, Problem> {
        let token = presented.filter(|token| token.len() <= MAX_TOKEN_BYTES);
        let token = token.map(|token| (token, TokenDigest::of(token)));
        // Before the limit: a program with a stale token keeps out none of those that share its address.
        if let Some(found) = token.and_then(|(_, digest)| known(tokens, &digest)) {
            return Ok(found);
        }
        self.tries_left(peer)?;
        let found = match token {
            Some((token, digest)) => self.find_hashed(tokens, token, digest).await?,
            None => None,
        };
        found.ok_or_else(|| self.refuse(peer))
    }

    /// What somebody is answered who does not say who they are.
    pub fn nobody(&self) -> Problem {
        match &self.0.rules.get().rules {
            AccessRules::Closed => {
                let problem = Problem::new(StatusCode::FORBIDDEN, "closed", "Nobody has access");
                problem.detail("the configuration has no access token")
            }
            _ => {
                let detail = "send a token of the configuration as \"Authorization: Bearer TOKEN\"";
                Problem::unauthorised(CHALLENGE, detail)
            }
        }
    }

    /// Tries a token against the hashes of those that have not been presented yet.
    async fn find_hashed<'t>(
        &self,
        tokens: &'t [KnownToken],
        presented: &str,
        digest: TokenDigest,
    ) -> Result<Option<&'t KnownToken>, Problem> {
        for token in tokens {
            // Another request may have presented it while this one waited for its turn.
            if token.is_known_as(&digest) {
                return Ok(Some(token));
            }
            let Some(hash) = token.untried() else { continue };
            if self.is_hashed(presented, hash).await? {
                if let KnownForm::Hash { known, .. } = &token.form {
                    let _ = known.set(digest);
                }
                return Ok(Some(token));
            }
        }
        Ok(None)
    }

    async fn is_hashed(&self, presented: &str, hash: &Secret) -> Result<bool, Problem> {
        let turn = tokio::time::timeout(HASHING_PATIENCE, self.0.hashing.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            let problem = Problem::of_status(StatusCode::SERVICE_UNAVAILABLE);
            return Err(problem.detail("too many tokens are being checked").header(header::RETRY_AFTER, "5"));
        };
        let (presented, hash) = (Secret::new(presented), hash.clone());
        Ok(tokio::task::spawn_blocking(move || is_hashed(presented.expose(), &hash)).await.unwrap_or(false))
    }

    fn tries_left(&self, peer: Option<IpAddr>) -> Result<(), Problem> {
        let Some(peer) = peer else { return Ok(()) };
        self.tries().admit(peer, self.0.clock.elapsed()).map_err(|wait| {
            let seconds = (wait.as_secs() + 1).to_string();
            let title = "Too many wrong access tokens";
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-tries", title);
            problem.detail(format!("try again in {seconds} s")).header(header::RETRY_AFTER, &seconds)
        })
    }

    fn refuse(&self, peer: Option<IpAddr>) -> Problem {
        let now = self.0.clock.elapsed();
        if let Some(peer) = peer {
            self.tries().note_wrong(peer, now);
            if let Some(left_out) = self.0.log.admit(&(), now) {
                tracing::warn!(%peer, left_out, "a wrong access token was presented");
            }
        }
        Problem::unauthorised(&format!("{CHALLENGE}, error=\"invalid_token\""), "the access token is not known")
    }

    fn tries(&self) -> MutexGuard<'_, TryLimit> {
        self.0.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose token it is, without hashing. Each is compared, so that the time says nothing about which one it is.
fn known<'t>(tokens: &'t [KnownToken], digest: &TokenDigest) -> Option<&'t KnownToken> {
    tokens.iter().fold(None, |found, token| if token.is_known_as(digest) { Some(token) } else { found })
}

/// From where somebody asks, for the limit on wrong tokens: of what a proxy on this machine passes on, as it says.
pub fn asks_from(request: &Request) -> Option<IpAddr> {
    let passed_on = || {
        let said = request.headers().get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
        said.rsplit(',').next()?.trim().parse().ok()
    };
    peer(request).map(|peer| if peer.is_loopback() { passed_on().unwrap_or(peer) } else { peer })
}

/// From where a request comes, as far as that is known.
pub fn peer(request: &Request) -> Option<IpAddr> {
    request.remote_addr().as_socket_addr().map(|peer| peer.ip())
}

/// The token that a request presents; an error where what it presents is none.
fn bearer(headers: &HeaderMap) -> Option<Result<&str, ()>> {
    let value = same_site::one(headers, &header::AUTHORIZATION)?;
    Some(value.and_then(|value| {
        let (scheme, token) = value.split_once(' ').ok_or(())?;
        let token = token.trim_matches(' ');
        if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() { Ok(token) } else { Err(()) }
    }))
}

/// Endpoints that are asked only by a [`Caller`], which they find in the data of the request.
pub struct Protected<E> {
    pub authenticator: Authenticator,
    pub endpoint: E,
}

impl<E: Endpoint> Endpoint for Protected<E> {
    type Output = E::Output;

    async fn call(&self, mut request: Request) -> poem::Result<E::Output> {
        let end = self.authenticator.end();
        let caller = self.authenticator.admit(&request).await?;
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(end);
        self.endpoint.call(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_that_another_request_has_made_known_meanwhile_is_found() {
        let digest = TokenDigest::of("hush-till");
        let known = KnownForm::Hash { hash: Secret::new("$argon2id$"), known: OnceLock::from(digest) };
        let form_digest = FormDigest::of(&TokenForm::Hash(Secret::new("$argon2id$")));
        let tokens = [KnownToken { name: "till".into(), access: Access::Read, form: known, form_digest }];
        let authenticator = Authenticator::new(AccessRules::Closed, Clock::system());
        let found = authenticator.find_hashed(&tokens, "hush-till", digest).await.unwrap();
        assert_eq!(found.map(|token| &*token.name), Some("till"));
    }
}
