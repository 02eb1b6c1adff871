/** Whom a client turned out to be. Further fields are for the application, as `session.identity`. */
export interface Identity {
  /** Same person, same subject: a session is resumed only by the subject that it was made for. */
  readonly subject: string
}
