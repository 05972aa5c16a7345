//! What people do to a conversation: answer, note, close, give back. Each is a guarded commit on
//! the lane, so that person and bot never speak at once.

use serde::{Deserialize, Serialize};
use tandem_domain::{
    ConversationId, WorkspaceId,
    conversation::{Conversation, IllegalMove},
    message::{Author, Content},
    store::{Message, StoreError, Visibility},
};

use crate::{
    engine::Engine,
    turn::{Cause, TurnError, Turned},
};

/// Somebody at the desk or behind the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Person {
    pub(crate) fn author(&self) -> Author {
        Author::Agent {
            id: self.id.clone(),
            name: self.name.clone(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    #[error("there is no such conversation")]
    NotFound,
    #[error(transparent)]
    Illegal(#[from] IllegalMove),
    /// The lane has rolled over; the answer belongs into the newer conversation.
    #[error("this conversation has ended and a newer one has begun: {0}")]
    Superseded(ConversationId),
    #[error("there is no such line")]
    NoLine,
    #[error("this line stays as it is: {0}")]
    Unchangeable(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the conversation could not be worked on: {0}")]
    Failed(String),
}

impl Engine {
    /// Writes to the customer as a person, who then has the conversation. The same `client_id`
    /// twice writes once and gives the first line again.
    ///
    /// # Errors
    /// See [`PersonError`].
    pub async fn reply(
        &self,
        workspace: &WorkspaceId,
        conversation: ConversationId,
        by: Person,
        content: Content,
        visibility: Visibility,
        client_id: Option<String>,
    ) -> Result<Message, PersonError> {
        let cause = Cause::Reply {
            by: by.clone(),
            content,
            visibility,
            client_id: client_id.clone(),
        };
        let lines = self
            .by_person(workspace, conversation, client_id, cause)
            .await?;
        lines
            .into_iter()
            .find(|line| line.author == by.author())
            .ok_or_else(|| PersonError::Failed("the line was not written".into()))
    }

    /// Closes the conversation; the flow that handed it over runs its `after`. With `returned` the
    /// bot goes on where it was instead.
    ///
    /// # Errors
    /// See [`PersonError`].
    pub async fn close(
        &self,
        workspace: &WorkspaceId,
        conversation: ConversationId,
        by: Person,
        outcome: Option<String>,
        returned: bool,
    ) -> Result<Conversation, PersonError> {
        let cause = Cause::Close {
            by,
            outcome,
            returned,
        };
        self.by_person(workspace, conversation, None, cause).await?;
        self.0
            .store
            .conversation(workspace, conversation)
            .await?
            .ok_or(PersonError::NotFound)
    }

    async fn by_person(
        &self,
        workspace: &WorkspaceId,
        id: ConversationId,
        client_id: Option<String>,
        cause: Cause,
    ) -> Result<Vec<Message>, PersonError> {
        let store = &self.0.store;
        let known = store
            .conversation(workspace, id)
            .await?
            .ok_or(PersonError::NotFound)?;
        let cell = self.0.lanes.get(workspace, known.lane);
        let mut slot = cell.work.lock().await;
        if let Some(client_id) = &client_id
            && let Some(line) = store.message_by_client_id(workspace, id, client_id).await?
        {
            return Ok(vec![line]);
        }
        if let Some(row) = store.lane(workspace, known.lane).await?
            && row.conversation != id
        {
            return Err(PersonError::Superseded(row.conversation));
        }
        match self.turn(&cell, &mut slot, &cause).await {
            Ok(Turned::Done(lines)) => Ok(lines),
            Ok(Turned::Stale | Turned::Duplicate(_)) => Err(PersonError::NotFound),
            Err(TurnError::Store(error)) => Err(error.into()),
            Err(TurnError::Illegal(refused)) => Err(refused.into()),
            Err(error) => Err(PersonError::Failed(error.to_string())),
        }
    }
}
