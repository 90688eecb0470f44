/** Hides the passwords of URLs in text that people will see. Pure. */

/** What the user's name in a URL is followed by, up to the last @ of the word; and the parameter of libpq. */
const ofLogin = /(\b[a-z][a-z\d+.-]*:\/\/[^\s:@/]*):\S*@/gi;
const ofParameter = /([?&]password=)[^&\s"']*/gi;

/** The text with `…` in place of each password. A password with white space in it is hidden in part. */
export function hidePasswords(text: string): string {
  return text.replace(ofLogin, "$1:…@").replace(ofParameter, "$1…");
}
