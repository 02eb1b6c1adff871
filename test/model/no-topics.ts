/** Effects of a client without subscriptions. */
export const noTopics = {
  deliverTopic: () => true,
  snapshot: () => {},
  topicGap: () => {},
  subscribed: () => {},
  unsubscribed: () => {},
  over: () => {},
  adopt: () => undefined,
}
