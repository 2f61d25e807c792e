/** A browser's storage, of which some can be full or closed. */
export class FakeStorage {
  readonly texts = new Map<string, string>();
  isFull = false;

  get length(): number {
    return this.texts.size;
  }
  key(at: number): string | null {
    return [...this.texts.keys()][at] ?? null;
  }
  getItem(name: string): string | null {
    return this.texts.get(name) ?? null;
  }
  setItem(name: string, value: string): void {
    if (this.isFull) {
      throw new DOMException('full', 'QuotaExceededError');
    }
    this.texts.set(name, value);
  }
  removeItem(name: string): void {
    this.texts.delete(name);
  }
}
