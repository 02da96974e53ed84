// The end, opened again: nothing of the participant's stays in this browser.
import { forget } from "./drafts.js";

forget();
