// Show the answers of the chosen state and category.
for (const section of document.querySelectorAll('.wrong')) {
  const filters = section.querySelectorAll('select')
  const show = () => {
    for (const answer of section.querySelectorAll('.answer')) {
      answer.hidden = [...filters].some((f) => f.value && answer.dataset[f.name] !== f.value)
    }
  }
  for (const filter of filters) filter.addEventListener('change', show)
}
