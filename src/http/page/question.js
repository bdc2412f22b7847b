// Asks before something that cannot be undone.

const element = id => document.getElementById(id);

// → true if the person pressed the button named `yes`; Escape and No are false
export function confirmed(text, yes) {
  const question = element('question');
  element('question-text').textContent = text;
  element('yes').textContent = yes;
  question.returnValue = 'no';
  return new Promise(resolve => {
    question.onclose = () => resolve(question.returnValue === 'yes');
    question.showModal();
  });
}
